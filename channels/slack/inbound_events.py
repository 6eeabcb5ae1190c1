"""Parsed Slack events: the results of parsing a Slack payload, from HTTP or Socket Mode.

In each event `by` is the user who acted and `at` the time in UTC. `dedup_keys` identify the event: a delivery that
shares a key with an earlier one is a duplicate. For the receiver, an event is described by an Arrival.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from agents.core.messages import Quote
from agents.core.values import Address
from channels.inbound import Arrival, Sender


@dataclass(frozen=True)
class BotIdentity:
    """Identity of this app, from `auth.test`. Messages of its `bot_id` or `user_id` are the app's own.

    `team` is the workspace in which the app is installed; it is empty if the app is installed in a whole organization,
    `enterprise`. In that case `workspace` is the one from which the current payload came.
    """

    bot_id: str
    user_id: str
    team: str
    enterprise: str = ""
    workspace: str = ""

    @property
    def installation_id(self) -> str:
        """Id of the installation; the same for all workspaces of an organization."""
        return self.team or self.enterprise

    @property
    def internal_teams(self) -> frozenset[str]:
        """Teams whose users are internal, not users of another organization in a shared channel."""
        return frozenset({self.team, self.enterprise, self.workspace} - {""})


@dataclass(frozen=True)
class ThreadRef:
    """Slack thread. `thread_ts` is the ts of its root message: Slack requires replies to name the root, not a reply."""

    team: str
    channel: str
    thread_ts: str

    @property
    def address(self) -> Address:
        """Address for replies in this thread."""
        return Address(f"slack:{self.channel}:{self.thread_ts}")


@dataclass(frozen=True)
class File:
    """Metadata of an attached file, without its content."""

    id: str
    name: str
    type: str


@dataclass(frozen=True)
class MessagePosted:
    """Message that mentions the bot, is a direct message to it, or is a reply in a thread.

    `quotes` are forwarded messages and attachments, the text of other authors.
    """

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
    """Edit of a message's text."""

    thread_ref: ThreadRef
    ts: str
    by: Address
    text: str
    previous_text: str
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class MessageDeleted:
    """Deletion of a message. `by` is its author; Slack does not report who deleted it."""

    thread_ref: ThreadRef
    ts: str
    by: Address | None
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class BlockAction:
    """Press of a Handrail button or choice from a select menu. `signed_value` is not verified yet."""

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
    """Submission of a Handrail modal. `values` are the entries by block id.

    `message_ts` is the card from which the modal was opened. `signed_value` is not verified yet.
    """

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
    """Slash command. Slack does not report the thread in which it was typed."""

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
    """Use of Handrail's shortcut on a message.

    `author` is the message's author, None for a bot; `author_name` describes either. The bot may not be a member of the
    channel: this payload may be all it can read of the message.
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
    """Press of the stop button that Slack shows while an agent works."""

    thread_ref: ThreadRef
    by: Address
    at: datetime
    dedup_keys: tuple[str, ...]


@dataclass(frozen=True)
class AppHomeOpened:
    """Opening of the app's Home tab or Messages tab."""

    team: str
    channel: str
    by: Address
    tab: str
    at: datetime
    dedup_keys: tuple[str, ...]


def identity_aliases(by: Address, *teams: str) -> tuple[Address, ...]:
    """Return the addresses by which `handrail.toml` may name a user.

    An address without a team names a user of one of `teams`, the internal teams of this app.
    """
    team, _, user = by.id.partition("/")
    return (by, Address(f"slack:{user}")) if team in teams else (by,)


CHANNEL = "slack"
"""Name of this channel in arrivals, for which deduplication keys are unique."""


class ThreadEvent(Protocol):
    """Event in a Slack thread."""

    @property
    def thread_ref(self) -> ThreadRef: ...

    @property
    def dedup_keys(self) -> tuple[str, ...]: ...


def create_sender(user_address: Address, bot: BotIdentity) -> Sender:
    """Return a user as the sender of an input. Users are named by id: they can change names and mail addresses."""
    team = user_address.id.partition("/")[0]
    return Sender(identity_aliases(user_address, *bot.internal_teams), is_external=team not in bot.internal_teams)


def create_arrival(event: ThreadEvent, by: Address, at: datetime, bot: BotIdentity) -> Arrival:
    """Return the sender, channel and time of an event of this user."""
    return Arrival(CHANNEL, event.dedup_keys, create_sender(by, bot), event.thread_ref.address, at)


def conversation_key(thread_ref: ThreadRef, bot: BotIdentity) -> str:
    """Return the conversation key of a Slack thread.

    It has the installation's id, because in a shared channel events may name another team for the same thread.
    """
    return f"{bot.installation_id}:{thread_ref.channel}:{thread_ref.thread_ts}"
