"""Resolution of Slack users to the people of `handrail.toml`."""

from dataclasses import dataclass

from agents.core.messages import Provenance
from agents.core.people import People, Person
from agents.core.values import Address, person_address
from channels.slack.inbound_events import BotIdentity, identity_aliases


@dataclass(frozen=True)
class ResolvedUser:
    """Slack user. `address` is that of the linked person, or else the Slack address."""

    address: Address
    person: Person | None

    @property
    def provenance(self) -> Provenance:
        return Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON


def resolve_user(user_address: Address, bot: BotIdentity, people: People) -> ResolvedUser:
    """Find the person of a Slack user by id; users can change their names and mail addresses."""
    for address in identity_aliases(user_address, *bot.internal_teams):
        if (person := people.get(address)) is not None:
            return ResolvedUser(person_address(person.key), person)
    return ResolvedUser(user_address, None)


def is_external(user_address: Address, bot: BotIdentity, user: ResolvedUser) -> bool:
    """Return whether the user belongs to another workspace or organization and is not linked to a person."""
    return user.person is None and user_address.id.partition("/")[0] not in bot.internal_teams
