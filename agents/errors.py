"""The tree of errors. The docstring of a class is its default message.

HandrailError
├── Retryable                 the same call may succeed later
│   ├── StoreUnavailable
│   ├── VersionConflict
│   ├── DuplicateCode
│   ├── DuplicateConversation
│   └── Unavailable ── DeliveryUncertain
└── Permanent                 the same call will fail again
    ├── NotFound ── ThreadNotFound, RequestNotFound
    ├── Conflict ── WrongState, AlreadySettled, StaleApproval
    ├── Forbidden ─ MissingScope
    ├── InvalidInput ─── UnknownAgent, InvalidAnswer, InvalidArguments, IdempotencyKeyReused
    ├── ToolError
    └── ConfigurationError
"""

import inspect
from typing import Any, ClassVar


class HandrailError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "handrail_error"  # what programs compare: public, so it outlives a renamed class

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))
        self.details = details


class Retryable(HandrailError):
    """This did not work now; try again later."""

    code = "retryable"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after = retry_after


class StoreUnavailable(Retryable):
    """The database cannot be written now. Nothing was lost; try again in a moment."""

    code = "store_unavailable"


class VersionConflict(Retryable):
    """Somebody else moved this thread on; look at it again."""

    code = "version_conflict"


class DuplicateCode(Retryable):
    """This short code was given out before; draw another."""

    code = "code_taken"


class DuplicateConversation(Retryable):
    """Somebody else opened a thread there first; say it in that one."""

    code = "conversation_taken"


class Unavailable(Retryable):
    """The other side does not answer; try again later."""

    code = "unreachable"


class DeliveryUncertain(Unavailable):
    """Nobody knows whether the other side has done this: look for it before trying again."""

    code = "doubtful"


class Permanent(HandrailError):
    """This cannot work as it is."""

    code = "permanent"


class NotFound(Permanent):
    """There is no such thing."""

    code = "not_found"


class ThreadNotFound(NotFound):
    """There is no such thread; `handrail threads list` shows those there are."""

    code = "thread_not_found"


class RequestNotFound(NotFound):
    """There is no such request; `handrail requests list` shows those there are."""

    code = "request_not_found"


class Conflict(Permanent):
    """This does not fit the present state."""

    code = "refused"


class WrongState(Conflict):
    """The thread is not in a state for this."""

    code = "wrong_state"


class AlreadySettled(Conflict):
    """This request is settled already."""

    code = "already_settled"


class StaleApproval(Conflict):
    """What you saw is no longer what is asked; look at the request again."""

    code = "approval_changed"


class Forbidden(Permanent):
    """You may not do this."""

    code = "not_allowed"


class MissingScope(Forbidden):
    """This token has no scope for this."""

    code = "missing_scope"


class InvalidInput(Permanent):
    """This is not understood."""

    code = "invalid"


class UnknownAgent(InvalidInput):
    """There is no such agent."""

    code = "unknown_agent"


class InvalidAnswer(InvalidInput):
    """This answer does not fit the request."""

    code = "invalid_answer"


class InvalidArguments(InvalidInput):
    """These arguments do not fit the tool."""

    code = "invalid_arguments"


class IdempotencyKeyReused(InvalidInput):
    """This Idempotency-Key was used before with another body; draw a new key for a new request."""

    code = "key_reused"


class ToolError(Permanent):
    """The tool could not do this."""

    code = "tool_error"


class ConfigurationError(Permanent):
    """The configuration does not make sense."""

    code = "misconfigured"
