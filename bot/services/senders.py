"""Resolution of the senders that channels report to the people of `handrail.toml`."""

from dataclasses import dataclass

from agents.core.messages import Provenance
from agents.core.people import People, Person
from agents.core.values import Address, person_address
from channels.inbound import Sender


@dataclass(frozen=True)
class ResolvedSender:
    """A sender. `address` is that of the person, or else the one by which the channel knows the sender."""

    address: Address
    person: Person | None
    entered_by: Address | None = None

    @property
    def provenance(self) -> Provenance:
        return Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON


def resolve_sender(sender: Sender, people: People) -> ResolvedSender:
    """Find the person of a sender by the identities that the channel has authenticated, in their order."""
    found = (person for address in sender.identities if (person := people.get(address)) is not None)
    if (person := next(found, None)) is not None:
        return ResolvedSender(person_address(person.key), person, sender.entered_by)
    return ResolvedSender(sender.identities[0], None, sender.entered_by)
