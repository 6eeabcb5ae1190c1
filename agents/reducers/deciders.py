"""The deciders of a thread: roles and people that its requests name, including settled requests."""

from agents.addresses import person_address
from agents.policy import ApprovalTerms
from agents.state import ThreadState


def add_deciders(state: ThreadState, terms: ApprovalTerms) -> tuple[str, ...]:
    """Return the deciders with those of these terms added, or the same tuple if there are no new ones."""
    named = dict.fromkeys(
        (*state.deciders, *(f"role:{role}" for role in terms.roles), *map(person_address, terms.people))
    )
    return tuple(named) if len(named) > len(state.deciders) else state.deciders
