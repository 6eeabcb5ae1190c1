"""Requesters: everybody whose words entered the log, whether the model still remembers them or not."""

from typing import Any

from agents.addresses import Address
from agents.events import (
    KnownEvent,
    MessageEdited,
    MessageReceived,
    RequestAnswered,
    ThreadForked,
    ThreadStarted,
)
from agents.state import ThreadState


def fold_requesters(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the changed field: every address counts once, in the order in which it first spoke."""
    known = dict.fromkeys((*state.requesters, *filter(None, _speakers(event))))
    return {"requesters": tuple(known)} if len(known) > len(state.requesters) else {}


def _speakers(event: KnownEvent) -> tuple[Address | None, ...]:
    """Return the addresses whose words the event holds. An answer without words makes nobody a requester."""
    match event:
        case ThreadStarted():
            return (event.requester, event.actor, event.entered_by)
        case MessageReceived():
            return (event.actor, event.entered_by, _address(event.author))
        case MessageEdited() | ThreadForked():
            return (event.actor,)
        case RequestAnswered() if event.has_words:
            return (event.answer.by, event.answer.entered_by)
        case _:
            return ()


def _address(author: str | None) -> Address | None:
    """Return the author's address, where the channel gave one and not a name."""
    try:
        return Address(author) if author else None
    except ValueError:
        return None
