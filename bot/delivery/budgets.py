"""Budgets of channels on which each message costs money and attention: opt-outs, limits per address and per day.

The limits of an address never stop the first card of a request, the first message of a thread, an agent's reply to a
message from there, or the update of a card: only what people can do without, such as reminders and notices. Such a
message is not sent later either, because it would hold up the messages behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from agents.core.errors import OptedOut, Permanent
from agents.core.messages import Message
from agents.core.values import Address
from bot.log import LogEvent, log
from bot.services.contacts import ContactService
from channels.base import Channel, MeteredChannel, SendBudget
from storage.outbox import OutboxMessage
from storage.sent_messages import SentRecord, count_sent, has_sent, sum_units

_DAY = timedelta(hours=24)
_REPLY_PREFIX = "reply:"
"""Prefix of the keys of agents' replies, which answer the messages of their thread."""


@dataclass(frozen=True)
class SendBudgets:
    """Decides whether a message may be sent now. Channels without a budget have no limits."""

    contacts: ContactService
    now: Callable[[], datetime]

    async def check(self, outbox_message: OutboxMessage, channel: Channel) -> None:
        """Raise OptedOut, and Permanent beyond the daily limit or the limits of the address."""
        budget, effect = channel.capabilities.budget, outbox_message.effect
        if budget is None:
            return
        await self.check_contact(effect.to, effect.message, channel)
        if effect.key.startswith(_REPLY_PREFIX) or effect.replaces is not None:
            return
        is_over = partial(_is_over_limits, message=outbox_message, budget=budget, now=self.now())
        if await self.contacts.database.read(is_over):
            raise Permanent("too many messages went there within a short time")

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


def _is_over_limits(connection: Connection, message: OutboxMessage, budget: SendBudget, now: datetime) -> bool:
    """Return whether the address has got too many messages for this one, which is not the first about its matter."""
    to, card = message.effect.to, message.effect.message.card
    request_id = None if card is None else card.request_id
    if not has_sent(connection, to, message.thread_id, request_id):
        return False
    return any(count_sent(connection, to, now - period) >= count for count, period in budget.contact_limits)
