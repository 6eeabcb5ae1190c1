"""How events of Slack arrived: sender, conversation and deduplication keys, in the terms of the receiver."""

from datetime import datetime
from typing import Protocol

from agents.core.values import Address
from channels.inbound import Arrival, Sender
from channels.slack.inbound_events import BotIdentity, ThreadRef, identity_aliases

CHANNEL = "slack"


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
    """Return how an event of this user arrived."""
    return Arrival(CHANNEL, event.dedup_keys, create_sender(by, bot), event.thread_ref.address, at)


def conversation_key(thread_ref: ThreadRef, bot: BotIdentity) -> str:
    """Return the conversation key of a Slack thread.

    It has the installation's id, because in a shared channel events may name another team for the same thread.
    """
    return f"{bot.installation_id}:{thread_ref.channel}:{thread_ref.thread_ts}"
