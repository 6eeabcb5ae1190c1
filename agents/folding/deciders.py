"""Deciders: the roles and people that the requests of a thread name, settled requests too."""

from agents.addresses import person
from agents.policy import Ask
from agents.state import ThreadState


def with_deciders(state: ThreadState, ask: Ask) -> tuple[str, ...]:
    """Return the deciders and those these terms name, each once; the same tuple where nothing is new."""
    named = dict.fromkeys((*state.deciders, *(f"role:{role}" for role in ask.roles), *map(person, ask.people)))
    return tuple(named) if len(named) > len(state.deciders) else state.deciders
