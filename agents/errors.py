"""The one tree of errors. The docstring of a class is its message unless a better one is given.

HandrailError
├── Retryable                 the same call may work later
│   ├── StoreUnavailable
│   ├── VersionConflict
│   ├── CodeTaken
│   ├── ConversationTaken
│   └── Unreachable ── Doubtful
└── Permanent                 the same call will fail again
    ├── NotFound ── ThreadNotFound, RequestNotFound
    ├── Refused ─── WrongState, AlreadySettled, ApprovalChanged
    ├── NotAllowed ─ MissingScope
    ├── Invalid ─── UnknownAgent, InvalidAnswer, InvalidArguments, KeyReused
    ├── ToolError
    └── Misconfigured
"""

import inspect
import re
from typing import Any


class HandrailError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))
        self.details = details

    @property
    def code(self) -> str:
        """The class name in snake case: what programs compare."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class Retryable(HandrailError):
    """This did not work now; try again later."""

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after = retry_after


class StoreUnavailable(Retryable):
    """The database cannot be written now. Nothing was lost; try again in a moment."""


class VersionConflict(Retryable):
    """Somebody else moved this thread on; look at it again."""


class CodeTaken(Retryable):
    """This short code was given out before; draw another."""


class ConversationTaken(Retryable):
    """Somebody else opened a thread there first; say it in that one."""


class Unreachable(Retryable):
    """The other side does not answer; try again later."""


class Doubtful(Unreachable):
    """Nobody knows whether the other side has done this: look for it before trying again."""


class Permanent(HandrailError):
    """This cannot work as it is."""


class NotFound(Permanent):
    """There is no such thing."""


class ThreadNotFound(NotFound):
    """There is no such thread; `handrail threads list` shows those there are."""


class RequestNotFound(NotFound):
    """There is no such request; `handrail requests list` shows those there are."""


class Refused(Permanent):
    """This does not fit the present state."""


class WrongState(Refused):
    """The thread is not in a state for this."""


class AlreadySettled(Refused):
    """This request is settled already."""


class ApprovalChanged(Refused):
    """What you saw is no longer what is asked; look at the request again."""


class NotAllowed(Permanent):
    """You may not do this."""


class MissingScope(NotAllowed):
    """This token has no scope for this."""


class Invalid(Permanent):
    """This is not understood."""


class UnknownAgent(Invalid):
    """There is no such agent."""


class InvalidAnswer(Invalid):
    """This answer does not fit the request."""


class InvalidArguments(Invalid):
    """These arguments do not fit the tool."""


class KeyReused(Invalid):
    """This Idempotency-Key was used before with another body; draw a new key for a new request."""


class ToolError(Permanent):
    """The tool could not do this."""


class Misconfigured(Permanent):
    """The configuration does not make sense."""
