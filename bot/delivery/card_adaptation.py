"""Cards adapted to the address to which they are sent: the rights of their only reader, and a link to answer them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from agents.core.messages import Message
from agents.core.people import People
from agents.core.values import Address, person_address
from bot.services.answer_links import AnswerLinks
from bot.services.delivery_events import is_open_approval, personalize_message
from bot.services.engine import Engine
from channels.abilities import PrivacyAwareChannel
from channels.base import Channel


@dataclass(frozen=True)
class CardAdapter:
    """Adapts the cards of messages just before they are sent. Without `answer_links` no card gets a link."""

    engine: Engine
    people: People
    now: Callable[[], datetime]
    answer_links: AnswerLinks | None = field(default=None)

    async def adapt(
        self, message: Message, *, thread_id: str, to: Address, channel: Channel, delivery_key: str
    ) -> Message:
        """Return the message as it may be shown at this address. Raises StoreUnavailable."""
        personal = await self._personalize(message, thread_id, to, channel)
        return await self._add_link(personal, to, channel, delivery_key)

    async def _personalize(self, message: Message, thread_id: str, to: Address, channel: Channel) -> Message:
        """Return the message without an approve action if the only reader of a private address may not approve."""
        is_private = isinstance(channel, PrivacyAwareChannel) and channel.is_private(to)
        if not (is_private and is_open_approval(message)):
            return message
        state = await self.engine.load(thread_id)
        return personalize_message(message, state, to, self.people, self.now(), channel.capabilities.assurance)

    async def _add_link(self, message: Message, to: Address, channel: Channel, delivery_key: str) -> Message:
        """Return the message with a link on its open card, if the channel shows links and one person reads there."""
        card, person = message.card, _only_person_at(to, self.people)
        if card is None or card.status != "open" or person is None or self.answer_links is None:
            return message
        if not channel.capabilities.has_answer_links:
            return message
        assurance = channel.capabilities.assurance
        link = await self.answer_links.create(card, to, person, assurance, delivery_key, self.now())
        return message.model_copy(update={"card": card.model_copy(update={"link": link})})


def _only_person_at(address: Address, people: People) -> Address | None:
    """Return the person with this address, None if there is none or if several people share it."""
    owners = [person for person in people.members if address in person.addresses]
    return person_address(owners[0].key) if len(owners) == 1 else None
