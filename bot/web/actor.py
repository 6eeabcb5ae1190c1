"""In whose name a request of the API speaks: the token's own, or another one's when its holder is an admin."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header

from agents.addresses import Address, person_address
from agents.errors import InvalidInput
from agents.messages import IncomingMessage, Provenance
from agents.people import People, Person
from bot.web.context import Context
from bot.web.principal import Caller, Principal


@dataclass(frozen=True)
class Actor:
    """Who says something, and from where. `person` is None for a stranger.

    `entered_by` is the caller's own address when they speak for another.
    """

    address: Address
    source: Address
    person: Person | None
    entered_by: Address | None = None

    def to_message(self, text: str, at: datetime) -> IncomingMessage:
        """What they say, as a thread hears it."""
        known = Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON
        return IncomingMessage(
            text=text, by=self.address, source=self.source, provenance=known, at=at, entered_by=self.entered_by
        )


@dataclass(frozen=True)
class ActorResolver:
    """The caller, and the terminal they say they sit at."""

    principal: Principal
    terminal: str | None
    people: People
    schemes: Collection[str]

    def resolve_actor(self, requested: Address | None = None) -> Actor:
        """The caller, or whom they name. Raises MissingScope when they may not speak for that one, and Invalid."""
        by, who = self._resolve_person(requested)
        entered_by = None if by == self.principal.address else self.principal.address
        return Actor(by, self._source(by, who), who, entered_by)

    def _resolve_person(self, requested: Address | None) -> tuple[Address, Person | None]:
        own = self.principal
        if requested is None or requested == own.address:
            return own.address, own.person
        who = self.people.get(requested)
        if who is not None and who == own.person:
            return own.address, own.person
        own.require_scope("admin", f"speaking for {requested}")
        return resolve_other_actor(requested, self.people, self.schemes)

    def _source(self, address: Address, known_person: Person | None) -> Address:
        if self.terminal is None:
            return self.principal.source
        if not _is_terminal_of(self.terminal, address, known_person):
            raise InvalidInput(f"Handrail-Channel must be the terminal of whoever speaks, like terminal:{address.id}")
        return Address(self.terminal)


def resolve_other_actor(requested: Address, people: People, schemes: Collection[str]) -> tuple[Address, Person | None]:
    """A person of the configuration by any of their addresses, or a stranger on a channel. Raises Invalid."""
    who = people.get(requested)
    if who is not None:
        return person_address(who.key), who
    if requested.scheme not in schemes:
        known = ", ".join(f"person:{one.key}" for one in people.members)
        raise InvalidInput(f"{requested} is nobody who could speak here; there are: {known}")
    return requested, None


def _is_terminal_of(terminal: str, address: Address, known_person: Person | None) -> bool:
    own = () if known_person is None else known_person.addresses
    return (
        address.scheme == "person" and terminal.startswith("terminal:") and terminal in (f"terminal:{address.id}", *own)
    )


async def _acting_as(
    caller: Caller,
    context: Context,
    handrail_channel: Annotated[
        str | None, Header(description="`terminal:NAME` of the person who speaks, when a terminal calls for them")
    ] = None,
) -> ActorResolver:
    return ActorResolver(caller, handrail_channel, context.bot.roster.people, context.schemes)


ActingAs = Annotated[ActorResolver, Depends(_acting_as)]
