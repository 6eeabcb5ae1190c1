"""In whose name a request of the API speaks: the token's own, or another one's when its holder is an admin."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header

from agents.addresses import Address, person
from agents.errors import Invalid
from agents.messages import Heard, Provenance
from agents.people import People, Person
from bot.web.parts import Here
from bot.web.principal import Caller, Principal


@dataclass(frozen=True)
class Speaker:
    """Who says something, and from where. `person` is None for a stranger.

    `entered_by` is the caller's own address when they speak for another.
    """

    by: Address
    source: Address
    person: Person | None
    entered_by: Address | None = None

    def heard(self, text: str, at: datetime) -> Heard:
        """What they say, as a thread hears it."""
        known = Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON
        return Heard(text=text, by=self.by, source=self.source, provenance=known, at=at, entered_by=self.entered_by)


@dataclass(frozen=True)
class Voice:
    """The caller, and the terminal they say they sit at."""

    principal: Principal
    terminal: str | None
    people: People
    schemes: Collection[str]

    def speaker(self, named: Address | None = None) -> Speaker:
        """The caller, or whom they name. Raises MissingScope when they may not speak for that one, and Invalid."""
        by, who = self._who(named)
        entered_by = None if by == self.principal.address else self.principal.address
        return Speaker(by, self._source(by, who), who, entered_by)

    def _who(self, named: Address | None) -> tuple[Address, Person | None]:
        own = self.principal
        if named is None or named == own.address:
            return own.address, own.person
        who = self.people.get(named)
        if who is not None and who == own.person:
            return own.address, own.person
        own.require("admin", f"speaking for {named}")
        return named_speaker(named, self.people, self.schemes)

    def _source(self, by: Address, who: Person | None) -> Address:
        if self.terminal is None:
            return self.principal.channel
        if not _is_terminal_of(self.terminal, by, who):
            raise Invalid(f"Handrail-Channel must be the terminal of whoever speaks, like terminal:{by.rest}")
        return Address(self.terminal)


def named_speaker(named: Address, people: People, schemes: Collection[str]) -> tuple[Address, Person | None]:
    """A person of the configuration by any of their addresses, or a stranger on a channel. Raises Invalid."""
    who = people.get(named)
    if who is not None:
        return person(who.key), who
    if named.scheme not in schemes:
        known = ", ".join(f"person:{one.key}" for one in people.everybody)
        raise Invalid(f"{named} is nobody who could speak here; there are: {known}")
    return named, None


def _is_terminal_of(terminal: str, by: Address, who: Person | None) -> bool:
    own = () if who is None else who.addresses
    return by.scheme == "person" and terminal.startswith("terminal:") and terminal in (f"terminal:{by.rest}", *own)


async def _voice(
    caller: Caller,
    here: Here,
    handrail_channel: Annotated[
        str | None, Header(description="`terminal:NAME` of the person who speaks, when a terminal calls for them")
    ] = None,
) -> Voice:
    return Voice(caller, handrail_channel, here.bot.roster.people, here.schemes)


SpokenBy = Annotated[Voice, Depends(_voice)]
