"""Deciders: the roles and people that the requests of a thread name, settled requests too."""

from agents.addresses import person_address
from agents.policy import ApprovalTerms
from agents.state import ThreadState


def add_deciders(state: ThreadState, terms: ApprovalTerms) -> tuple[str, ...]:
    """Return the deciders and those these terms name, each once; the same tuple where nothing is new."""
    named = dict.fromkeys(
        (*state.deciders, *(f"role:{role}" for role in terms.roles), *map(person_address, terms.people))
    )
    return tuple(named) if len(named) > len(state.deciders) else state.deciders
