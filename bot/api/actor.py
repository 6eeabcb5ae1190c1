"""The actor of an API request: the owner of the token, or another person when the token has the admin scope."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header

from agents.core.errors import InvalidInput
from agents.core.people import People, Person
from agents.core.values import Address, person_address
from bot.api.auth import Caller, Principal
from bot.api.context import Context
from channels.inbound import Arrival, Sender


@dataclass(frozen=True)
class Actor:
    """Author of a message or an answer, and the address it comes from. `person` is None when it is not configured.

    `entered_by` is the caller's own address when the caller acts for another person.
    """

    address: Address
    source: Address
    person: Person | None
    entered_by: Address | None = None

    def to_arrival(self, at: datetime) -> Arrival:
        """Return the arrival of an input of this actor. Duplicates are found by the Idempotency-Key instead."""
        return Arrival(self.source, (), Sender((self.address,), self.entered_by), self.source, at)


@dataclass(frozen=True)
class ActorResolver:
    """Finds the actor of a request. `terminal` is the value of its Handrail-Channel header."""

    principal: Principal
    terminal: str | None
    people: People
    schemes: Collection[str]

    def resolve_actor(self, requested: Address | None = None) -> Actor:
        """Return the requested actor, or the caller when none is requested.

        Raises MissingScope when the caller may not act for another person, and InvalidInput for an unknown one.
        """
        by, person = self._resolve_person(requested)
        entered_by = None if by == self.principal.address else self.principal.address
        return Actor(by, self._source(by, person), person, entered_by)

    def _resolve_person(self, requested: Address | None) -> tuple[Address, Person | None]:
        own = self.principal
        if requested is None or requested == own.address:
            return own.address, own.person
        person = self.people.get(requested)
        if person is not None and person == own.person:
            return own.address, own.person
        own.require_scope("admin", f"acting for {requested}")
        return resolve_other_actor(requested, self.people, self.schemes)

    def _source(self, address: Address, known_person: Person | None) -> Address:
        if self.terminal is None:
            return self.principal.source
        if not _is_terminal_of(self.terminal, address, known_person):
            raise InvalidInput(f"Handrail-Channel must be a terminal of the actor, like terminal:{address.id}")
        return Address(self.terminal)


def resolve_other_actor(requested: Address, people: People, schemes: Collection[str]) -> tuple[Address, Person | None]:
    """Return the configured person with this address, or the address of an unknown user of a channel.

    Raises InvalidInput when the address is neither.
    """
    person = people.get(requested)
    if person is not None:
        return person_address(person.key), person
    if requested.scheme not in schemes:
        known = ", ".join(f"person:{member.key}" for member in people.members)
        raise InvalidInput(f"{requested} is not a known person; use one of: {known}")
    return requested, None


def _is_terminal_of(terminal: str, address: Address, known_person: Person | None) -> bool:
    own = () if known_person is None else known_person.addresses
    return (
        address.scheme == "person" and terminal.startswith("terminal:") and terminal in (f"terminal:{address.id}", *own)
    )


async def _get_actor_resolver(
    caller: Caller,
    context: Context,
    handrail_channel: Annotated[
        str | None, Header(description="The terminal that sends this request for the person: `terminal:NAME`.")
    ] = None,
) -> ActorResolver:
    return ActorResolver(caller, handrail_channel, context.bot.roster.people, context.schemes)


ActingAs = Annotated[ActorResolver, Depends(_get_actor_resolver)]
