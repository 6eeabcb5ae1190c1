"""Detect events with content from outside: neither from known people nor from the operator's own systems."""

from agents.core.events import (
    Event,
    MessageEdited,
    MessageReceived,
    RequestAnswered,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.core.messages import Provenance

TRUSTED_PROVENANCES = (Provenance.VERIFIED_PERSON, Provenance.SYSTEM)


def is_untrusted(event: Event) -> bool:
    """Return whether the event shows the model text of unknown people or data of an untrusted tool."""
    match event:
        case MessageReceived() | MessageEdited():
            return event.provenance not in TRUSTED_PROVENANCES
        case RequestAnswered():
            return event.has_text and event.provenance not in TRUSTED_PROVENANCES
        case ToolCalled() | ToolSucceeded() | ToolFailed() | ToolOutcomeUnknown():
            return not event.trusted
        case _:
            return False
