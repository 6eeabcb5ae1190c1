"""Whom an identity of Slack belongs to."""

from dataclasses import dataclass

from agents.addresses import Address, person
from agents.messages import Provenance
from agents.people import People, Person
from channels.slack.facts import Ourselves, known_as


@dataclass(frozen=True)
class Somebody:
    """`by` is the person's own address where we know them, else the one Slack gave us."""

    by: Address
    person: Person | None

    @property
    def provenance(self) -> Provenance:
        return Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON


def somebody(by: Address, us: Ourselves, people: People) -> Somebody:
    """Only the ids of Slack lead to a person: names and mail addresses can be changed by their owners."""
    for address in known_as(by, *us.teams):
        if (who := people.get(address)) is not None:
            return Somebody(person(who.key), who)
    return Somebody(by, None)


def is_stranger(by: Address, us: Ourselves, who: Somebody) -> bool:
    """Whether they are of another workspace or organisation, and nobody the configuration names."""
    return who.person is None and by.rest.partition("/")[0] not in us.teams
