"""Whom an identity of Slack belongs to."""

from dataclasses import dataclass

from agents.addresses import Address, person_address
from agents.messages import Provenance
from agents.people import People, Person
from channels.slack.inbound_events import BotIdentity, identity_aliases


@dataclass(frozen=True)
class ResolvedUser:
    """`by` is the person's own address where we know them, else the one Slack gave us."""

    address: Address
    person: Person | None

    @property
    def provenance(self) -> Provenance:
        return Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON


def resolve_user(user_address: Address, bot: BotIdentity, people: People) -> ResolvedUser:
    """Only the ids of Slack lead to a person: names and mail addresses can be changed by their owners."""
    for address in identity_aliases(user_address, *bot.internal_teams):
        if (who := people.get(address)) is not None:
            return ResolvedUser(person_address(who.key), who)
    return ResolvedUser(user_address, None)


def is_external(user_address: Address, bot: BotIdentity, user: ResolvedUser) -> bool:
    """Whether they are of another workspace or organisation, and nobody the configuration names."""
    return user.person is None and user_address.id.partition("/")[0] not in bot.internal_teams
