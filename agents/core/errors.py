"""The tree of errors. The docstring of a class is its default message.

`details` holds data for code that handles the error: the request concerned, or the mistakes of a configuration.

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
    ├── OptedOut
    └── ConfigurationError
"""

import inspect
from typing import Any, ClassVar


class HandrailError(Exception):
    """An error occurred."""

    code: ClassVar[str] = "handrail_error"  # public: clients compare it, so it stays when a class is renamed

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))
        self.details = details


class Retryable(HandrailError):
    """This did not succeed now; try again later."""

    code = "retryable"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after = retry_after


class StoreUnavailable(Retryable):
    """The database cannot be written now. No data was lost; try again in a moment."""

    code = "store_unavailable"


class VersionConflict(Retryable):
    """This thread was changed meanwhile; reload it and try again."""

    code = "version_conflict"


class DuplicateCode(Retryable):
    """This request code is already in use; try again with another."""

    code = "code_taken"


class DuplicateConversation(Retryable):
    """This conversation already has a thread; write in that thread."""

    code = "conversation_taken"


class Unavailable(Retryable):
    """The service does not respond; try again later."""

    code = "unreachable"


class DeliveryUncertain(Unavailable):
    """The outcome of the request is unknown; check before trying again."""

    code = "doubtful"


class Permanent(HandrailError):
    """This cannot succeed unless something is changed."""

    code = "permanent"


class NotFound(Permanent):
    """This was not found."""

    code = "not_found"


class ThreadNotFound(NotFound):
    """There is no such thread; `handrail threads list` shows the existing ones."""

    code = "thread_not_found"


class RequestNotFound(NotFound):
    """There is no such request; `handrail requests list` shows the existing ones."""

    code = "request_not_found"


class Conflict(Permanent):
    """This is not possible in the current state."""

    code = "refused"


class WrongState(Conflict):
    """This is not possible in the current state of the thread."""

    code = "wrong_state"


class AlreadySettled(Conflict):
    """This request is settled already."""

    code = "already_settled"


class StaleApproval(Conflict):
    """The request was changed after you opened it; review it again."""

    code = "approval_changed"


class Forbidden(Permanent):
    """You are not allowed to do this."""

    code = "not_allowed"


class MissingScope(Forbidden):
    """This token does not have the required scope."""

    code = "missing_scope"


class InvalidInput(Permanent):
    """The input is invalid."""

    code = "invalid"


class UnknownAgent(InvalidInput):
    """There is no such agent."""

    code = "unknown_agent"


class InvalidAnswer(InvalidInput):
    """This answer does not fit the request."""

    code = "invalid_answer"


class InvalidArguments(InvalidInput):
    """These arguments do not match the tool's parameters."""

    code = "invalid_arguments"


class IdempotencyKeyReused(InvalidInput):
    """This Idempotency-Key was used before with another body; use a new key for a new request."""

    code = "key_reused"


class ToolError(Permanent):
    """The tool failed."""

    code = "tool_error"


class OptedOut(Permanent):
    """The recipient has opted out of messages on this channel."""

    code = "opted_out"


class ConfigurationError(Permanent):
    """The configuration is invalid."""

    code = "misconfigured"
