"""What happened on Slack, as far as it matters here. Whoever reads what Slack sends ends with one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agents.addresses import Address
from agents.messages import Quote


@dataclass(frozen=True)
class Ourselves:
    """Who this app is, as `auth.test` tells: what these two say is not said to us.

    `team` is the workspace the app is installed in; it is empty where the app is installed in a whole organisation,
    `enterprise`. There `workspace` is the one that something came from.
    """

    bot_id: str
    user_id: str
    team: str
    enterprise: str = ""
    workspace: str = ""

    @property
    def home(self) -> str:
        """The installation: it stays the same for all workspaces of an organisation."""
        return self.team or self.enterprise

    @property
    def teams(self) -> frozenset[str]:
        """The teams whose people are no strangers."""
        return frozenset({self.team, self.enterprise, self.workspace} - {""})


@dataclass(frozen=True)
class Place:
    """A thread on Slack. `root` is the ts of the message it hangs on: replies are posted to it, never to a reply."""

    team: str
    channel: str
    root: str

    @property
    def address(self) -> Address:
        """Where replies go."""
        return Address(f"slack:{self.channel}:{self.root}")


@dataclass(frozen=True)
class File:
    """A file somebody attached: what Slack says of it, and nothing of what is in it."""

    id: str
    name: str
    type: str


@dataclass(frozen=True)
class Said:
    """Somebody said something to us, or in a thread. `quotes` are words of others they pass on."""

    how: Literal["mention", "reply", "direct"]
    place: Place
    ts: str
    by: Address
    text: str
    files: tuple[File, ...]
    at: datetime
    keys: tuple[str, ...]
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class Edited:
    """Somebody changed the words of a message."""

    place: Place
    ts: str
    by: Address
    text: str
    before: str
    at: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Deleted:
    """A message is gone. `by` wrote it; Slack does not tell who deleted it."""

    place: Place
    ts: str
    by: Address | None
    at: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Clicked:
    """Somebody pressed a button of ours, or chose from a list. `reference` is not verified yet."""

    place: Place
    message: str
    by: Address
    action: str
    choice: int | None
    reference: str
    trigger_id: str
    response_url: str | None
    at: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Submitted:
    """Somebody sent a modal of ours. `message` is the card it was opened from, `reference` is not verified yet."""

    place: Place
    message: str
    by: Address
    modal: str
    reference: str
    values: Mapping[str, str | None]
    keys: tuple[str, ...]
    page: int = 0


@dataclass(frozen=True)
class Commanded:
    """Somebody typed a slash command. Slack does not tell in which thread."""

    team: str
    channel: str
    by: Address
    command: str
    text: str
    trigger_id: str
    response_url: str | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Pointed:
    """Somebody pointed us to a message, with our shortcut in its menu. `author` wrote it, unless that is a bot.

    `quotes` are words of others in it. `written_by` is the author in words.

    We may be no member of the channel: what is told here may be all we ever see of it.
    """

    place: Place
    ts: str
    by: Address
    text: str
    author: Address | None
    trigger_id: str
    response_url: str | None
    at: datetime
    keys: tuple[str, ...]
    quotes: tuple[Quote, ...] = ()
    written_by: str = ""


@dataclass(frozen=True)
class Stopped:
    """Somebody pressed the stop button Slack shows while an agent works."""

    place: Place
    by: Address
    at: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    """Somebody opened our page or our conversation with them."""

    team: str
    channel: str
    by: Address
    tab: str
    at: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Challenge:
    """Slack wants to hear this back, to see that the address is ours."""

    challenge: str


@dataclass(frozen=True)
class Checked:
    """Slack looked whether our certificate holds; it wants nothing but 200."""


@dataclass(frozen=True)
class Ignored:
    """Nothing that concerns us, and why."""

    reason: str


Fact = (
    Said | Edited | Deleted | Clicked | Submitted | Commanded | Pointed | Stopped | Opened
    | Challenge | Checked | Ignored
)  # fmt: skip


def known_as(by: Address, *homes: str) -> tuple[Address, ...]:
    """The addresses `handrail.toml` may have for somebody: without a team it means the teams this app lives in."""
    team, _, user = by.rest.partition("/")
    return (by, Address(f"slack:{user}")) if team in homes else (by,)
