"""The people a thread is for: those who spoke in it, and those its requests name."""

from collections.abc import Iterable
from typing import TypeVar

from agents.addresses import Address, person
from agents.policy import Ask
from agents.state import ThreadState

T = TypeVar("T", bound=str)


def with_requester(state: ThreadState, actor: Address) -> tuple[Address, ...]:
    """Return the requesters and this one, each once; the same tuple where nothing is new."""
    return _joined(state.requesters, (actor,))


def with_deciders(state: ThreadState, ask: Ask) -> tuple[str, ...]:
    """Return the deciders and those these terms name, each once; the same tuple where nothing is new."""
    return _joined(state.deciders, (*(f"role:{role}" for role in ask.roles), *map(person, ask.people)))


def _joined(known: tuple[T, ...], more: Iterable[T]) -> tuple[T, ...]:
    return (*known, *new) if (new := [name for name in dict.fromkeys(more) if name not in known]) else known
