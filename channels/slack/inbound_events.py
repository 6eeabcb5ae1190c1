"""What happened on Slack, as far as it matters here. Whoever reads what Slack sends ends with one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agents.addresses import Address
from agents.messages import Quote


@dataclass(frozen=True)
class BotIdentity:
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
    def installation_id(self) -> str:
        """The installation: it stays the same for all workspaces of an organisation."""
        return self.team or self.enterprise

    @property
    def internal_teams(self) -> frozenset[str]:
        """The teams whose people are no strangers."""
        return frozenset({self.team, self.enterprise, self.workspace} - {""})


@dataclass(frozen=True)
class ThreadRef:
    """A thread on Slack. `root` is the ts of the message it hangs on: replies are posted to it, never to a reply."""

    team: str
    channel: str
    thread_ts: str

    @property
    def address(self) -> Address:
        """Where replies go."""
        return Address(f"slack:{self.channel}:{self.thread_ts}")


@dataclass(frozen=True)
class File:
    """A file somebody attached: what Slack says of it, and nothing of what is in it."""

    id: str
    name: str
    type: str


@dataclass(frozen=True)
class MessagePosted:
    """Somebody said something to us, or in a thread. `quotes` are words of others they pass on."""

    kind: Literal["mention", "reply", "direct"]
    thread_ref: ThreadRef
    ts: str
    by: Address
    text: str
    files: tuple[File, ...]
    at: datetime
    dedup_keys: tuple[str, ...]
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class MessageChanged:
    """Somebody changed the words of a message."""

    thread_ref: ThreadRef
    ts: str
    by: Address
    text: str
    previous_text: str
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class MessageDeleted:
    """A message is gone. `by` wrote it; Slack does not tell who deleted it."""

    thread_ref: ThreadRef
    ts: str
    by: Address | None
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class BlockAction:
    """Somebody pressed a button of ours, or chose from a list. `reference` is not verified yet."""

    thread_ref: ThreadRef
    message_ts: str
    by: Address
    action: str
    choice_index: int | None
    signed_value: str
    trigger_id: str
    response_url: str | None
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class ViewSubmission:
    """Somebody sent a modal of ours. `message` is the card it was opened from, `reference` is not verified yet."""

    thread_ref: ThreadRef
    message_ts: str
    by: Address
    callback_id: str
    signed_value: str
    values: Mapping[str, str | None]
    dedup_keys: tuple[str, ...]
    page: int = 0


@dataclass(frozen=True)
class SlashCommand:
    """Somebody typed a slash command. Slack does not tell in which thread."""

    team: str
    channel: str
    by: Address
    command: str
    text: str
    trigger_id: str
    response_url: str | None
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class MessageShortcut:
    """Somebody pointed us to a message, with our shortcut in its menu. `author` wrote it, unless that is a bot.

    `quotes` are words of others in it. `written_by` is the author in words.

    We may be no member of the channel: what is told here may be all we ever see of it.
    """

    thread_ref: ThreadRef
    ts: str
    by: Address
    text: str
    author: Address | None
    trigger_id: str
    response_url: str | None
    at: datetime
    dedup_keys: tuple[str, ...]
    quotes: tuple[Quote, ...] = ()
    author_name: str = ""


@dataclass(frozen=True)
class SessionStopped:
    """Somebody pressed the stop button Slack shows while an agent works."""

    thread_ref: ThreadRef
    by: Address
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class AppHomeOpened:
    """Somebody opened our page or our conversation with them."""

    team: str
    channel: str
    by: Address
    tab: str
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class UrlVerification:
    """Slack wants to hear this back, to see that the address is ours."""

    challenge: str


@dataclass(frozen=True)
class SslCheck:
    """Slack looked whether our certificate holds; it wants nothing but 200."""


@dataclass(frozen=True)
class Ignored:
    """Nothing that concerns us, and why."""

    reason: str


SlackEvent = (
    MessagePosted
    | MessageChanged
    | MessageDeleted
    | BlockAction
    | ViewSubmission
    | SlashCommand
    | MessageShortcut
    | SessionStopped
    | AppHomeOpened
    | UrlVerification | SslCheck | Ignored
)  # fmt: skip


def identity_aliases(by: Address, *teams: str) -> tuple[Address, ...]:
    """The addresses `handrail.toml` may have for somebody: without a team it means the teams this app lives in."""
    team, _, user = by.id.partition("/")
    return (by, Address(f"slack:{user}")) if team in teams else (by,)
