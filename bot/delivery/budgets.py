"""Budgets of channels on which each message costs money and attention: opt-outs, limits per address and per day.

The first card of a request, the first message of a thread and an agent's reply to a message from the address never
wait: only further ones, such as reminders and notices, do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from agents.core.errors import OptedOut, Permanent
from agents.core.messages import Message
from agents.core.values import Address
from bot.delivery.digests import NotDue
from bot.log import LogEvent, log
from bot.services.contacts import ContactService
from channels.base import Channel, MeteredChannel, SendBudget
from storage.outbox import OutboxMessage
from storage.sent_messages import SentRecord, has_sent, list_times, sum_units

_DAY = timedelta(hours=24)
_REPLY_PREFIX = "reply:"
"""Prefix of the keys of agents' replies, which answer the messages of their thread."""


@dataclass(frozen=True)
class SendBudgets:
    """Decides whether a message may be sent now. Channels without a budget have no limits."""

    contacts: ContactService
    now: Callable[[], datetime]

    async def check(self, outbox_message: OutboxMessage, channel: Channel) -> None:
        """Raise OptedOut, Permanent beyond the daily limit, and NotDue beyond the limits of the address."""
        budget, effect = channel.capabilities.budget, outbox_message.effect
        if budget is None:
            return
        await self.check_contact(effect.to, effect.message, channel)
        if effect.key.startswith(_REPLY_PREFIX):
            return
        due_at = await self.contacts.database.read(partial(_next_time, message=outbox_message, budget=budget))
        if due_at is not None and due_at > self.now():
            raise NotDue(due_at)

    async def check_contact(self, to: Address, message: Message, channel: Channel) -> None:
        """Raise OptedOut for an address that takes no messages, and Permanent beyond the channel's daily limit."""
        budget = channel.capabilities.budget
        if budget is None:
            return
        if await self.contacts.is_opted_out(to):
            raise OptedOut
        units, since = count_units(channel, to, message), self.now() - _DAY
        used = await self.contacts.database.read(partial(sum_units, channel=channel.scheme, since=since))
        if used + units > budget.daily_units:
            log(LogEvent.SEND_LIMIT_REACHED, level="error", channel=channel.scheme)
            raise Permanent(f"the daily limit of the channel ({budget.daily_units}) is reached")

    def to_record(self, key: str, to: Address, message: Message, channel: Channel) -> SentRecord | None:
        """Return the record of a message that was sent now; None for a channel without a budget.

        `key` is the delivery key of an outbox message, or that of the reply to an input.
        """
        if channel.capabilities.budget is None:
            return None
        request_id = None if message.card is None else message.card.request_id
        return SentRecord(key, channel.scheme, to, self.now(), count_units(channel, to, message), request_id)


def count_units(channel: Channel, to: Address, message: Message) -> int:
    """Return the price of the message in units of the channel; 0 if its messages are free."""
    return channel.count_units(to, message) if isinstance(channel, MeteredChannel) else 0


def _next_time(connection: Connection, message: OutboxMessage, budget: SendBudget) -> datetime | None:
    """Return the time from which the limits of the address allow the message; None if it never waits."""
    to, card = message.effect.to, message.effect.message.card
    request_id = None if card is None else card.request_id
    if not has_sent(connection, to, message.thread_id, request_id):
        return None
    longest = max((period for _, period in budget.contact_limits), default=timedelta())
    times = list_times(connection, to, message.created_at - longest)
    return max((times[-count] + period for count, period in budget.contact_limits if len(times) >= count), default=None)
