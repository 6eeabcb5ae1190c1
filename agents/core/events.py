"""The event types of a thread's log, as a closed union.

A released type keeps its meaning: fields with a default may be added; other changes raise `v` and need a migration.
"""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from agents.core.completion import Budget, BudgetKind, CompletionOutcome, Usage
from agents.core.event_base import EventBase, FailureStage, Trusted, TrustedByDefault
from agents.core.messages import Receipt
from agents.core.policy import EffectClass, OnExpire, PolicyDecision
from agents.core.requests import Deciders, RecordedAnswer, Request, RequestStatus
from agents.core.steps import Step
from agents.core.values import Address


class ThreadStarted(EventBase):
    """A thread was opened. Replies go to `origin`. `prefetch` names the tools to run before the first model call."""

    type: Literal["ThreadStarted"] = "ThreadStarted"
    thread_id: str
    agent: str
    origin: Address
    requester: Address
    labels: dict[str, str] = {}
    budget: Budget = Budget()
    prefetch: tuple[str, ...] = ()
    entered_by: Address | None = None


class MessageReceived(EventBase):
    """A message came in. Later events refer to it by `ref`, the channel's own id of the message.

    `entered_by` is the authenticated address when it differs from the actor. `author` is the writer of a text that the
    actor only forwards, as an address if the channel knows it; such a text is content, not an instruction. `title` is a
    short description, such as the subject of a mail.
    """

    type: Literal["MessageReceived"] = "MessageReceived"
    text: str
    source: Address
    ref: str | None = None
    entered_by: Address | None = None
    author: str | None = None
    title: str | None = Field(default=None, exclude_if=lambda title: title is None)


class MessageEdited(EventBase):
    """The author of a message changed its text."""

    type: Literal["MessageEdited"] = "MessageEdited"
    ref: str
    text: str
    source: Address


class MessageDeleted(EventBase):
    """The author of a message deleted it."""

    type: Literal["MessageDeleted"] = "MessageDeleted"
    ref: str
    source: Address


MessageEvent = MessageReceived | MessageEdited | MessageDeleted
"""Events about incoming messages, their edits and deletions."""


class StepChosen(EventBase):
    """A model chose the next step; nothing is executed yet. `based_on` is the version of the state that it saw."""

    type: Literal["StepChosen"] = "StepChosen"
    step: Step
    reasoning: str = ""
    model: str
    prompt_hash: str
    usage: Usage | None = None
    based_on: int


class StepRejected(EventBase):
    """A model call ended without a valid step.

    `announced` marks the event with which people are notified that the model is unavailable. `written` is the
    beginning of an answer that the server rejected as invalid JSON.
    """

    type: Literal["StepRejected"] = "StepRejected"
    outcome: CompletionOutcome
    detail: str
    model: str
    usage: Usage | None = None
    retry_at: AwareDatetime | None = None
    announced: bool | None = None
    written: str | None = None


class ToolCalled(EventBase):
    """A call of a tool or another agent was proposed, with exactly these arguments. Nothing has run.

    `verdict` is the policy decision on the call, `effect` the tool's effect class (whether a call may be repeated).
    `digest` is the hash of the exact call. `prefetched` marks a call that no model chose, before the first model call.
    `prefetch` is set when the call asks another agent: it lists the tools to run before that agent's model. `where` is
    the file and line at which the preparation failed. The call is not `trusted` when the tool's prepare function put
    untrusted content into the arguments or into the reason for a rejection.
    """

    type: Literal["ToolCalled"] = "ToolCalled"
    call_id: str
    tool: str
    tool_version: int = 1
    effect: EffectClass
    arguments: dict[str, Any]
    digest: str
    verdict: PolicyDecision
    prefetched: bool = False
    prefetch: tuple[str, ...] | None = None
    where: str | None = None
    trusted: TrustedByDefault = True

    @property
    def is_delegation(self) -> bool:
        """Whether the call asks another agent, whose answer is the ToolSucceeded of this call."""
        return self.prefetch is not None


class ToolStarted(EventBase):
    """A tool is about to start; committed first, so that a crash cannot hide the call. All attempts share `key`."""

    type: Literal["ToolStarted"] = "ToolStarted"
    call_id: str
    key: str
    attempt: int = 1


class ToolSucceeded(EventBase):
    """The tool succeeded. The result is `trusted` if it is the operator's own data."""

    type: Literal["ToolSucceeded"] = "ToolSucceeded"
    call_id: str
    result: Any = None
    summary: str
    trusted: Trusted = False


class ToolFailed(EventBase):
    """The tool failed. With `retry_at` it is tried again with the same key.

    `where` is the file and line of the failure, for readers of the log; models and people see only `error`.
    """

    type: Literal["ToolFailed"] = "ToolFailed"
    call_id: str
    error: str
    retry_at: AwareDatetime | None = None
    stage: FailureStage | None = None
    where: str | None = None
    trusted: Trusted = False


class ToolOutcomeUnknown(EventBase):
    """The tool was started and its outcome cannot be determined."""

    type: Literal["ToolOutcomeUnknown"] = "ToolOutcomeUnknown"
    call_id: str
    detail: str
    where: str | None = None
    trusted: Trusted = False


class RequestOpened(EventBase):
    """A request to people was opened."""

    type: Literal["RequestOpened"] = "RequestOpened"
    request: Request


class RequestShown(EventBase):
    """A channel accepted a card (a message that shows the request). `key` is the key of the effect that sent it."""

    type: Literal["RequestShown"] = "RequestShown"
    key: str
    request_id: str
    to: Address
    receipt: Receipt


class DeliveryConfirmed(EventBase):
    """A card of the request reached its recipient, as the channel reported. `ref` is that of the card's receipt."""

    type: Literal["DeliveryConfirmed"] = "DeliveryConfirmed"
    request_id: str
    to: Address
    ref: str


class RequestReminded(EventBase):
    """The reminder number `nth` (from 1) of the request was due, because it had no answer."""

    type: Literal["RequestReminded"] = "RequestReminded"
    request_id: str
    nth: int


class RequestEscalated(EventBase):
    """The request had no answer in time and was sent to further people or channels, in step `nth` (from 1)."""

    type: Literal["RequestEscalated"] = "RequestEscalated"
    request_id: str
    nth: int
    to: tuple[Address, ...]


class RequestAnswered(EventBase):
    """A person answered. `status` is the new status of the request; an answer that does not count leaves it open.

    An edit carries the new arguments, their digest and the new deciders; `policy` is the decision on the new arguments,
    like `ToolCalled.verdict`. `names` are the names of people, by their addresses. `outcome` describes how the request
    ended, with the same text as on its card.
    """

    type: Literal["RequestAnswered"] = "RequestAnswered"
    request_id: str
    answer: RecordedAnswer
    status: RequestStatus
    arguments: dict[str, Any] | None = None
    digest: str | None = None
    policy: PolicyDecision | None = None
    deciders: tuple[Deciders, ...] | None = None
    names: dict[str, str] | None = None
    outcome: str | None = None

    @property
    def has_text(self) -> bool:
        """Whether the answer shows the model a text or new arguments, not only a decision."""
        return bool(self.answer.text or self.answer.comment or self.arguments is not None)


class RequestExpired(EventBase):
    """The request was not decided in time; no person denied it.

    `on_expire`: `deny` drops the call, `halt` also ends the thread, `hold` keeps the request open.
    """

    type: Literal["RequestExpired"] = "RequestExpired"
    request_id: str
    on_expire: OnExpire


class RequestSuperseded(EventBase):
    """A new instruction replaced the request, or the message that led to it was deleted."""

    type: Literal["RequestSuperseded"] = "RequestSuperseded"
    request_id: str
    reason: str


class ReplyChosen(EventBase):
    """The agent chose its reply. `draft` is the receipt of the message that showed it while the model wrote it."""

    type: Literal["ReplyChosen"] = "ReplyChosen"
    text: str
    draft: Receipt | None = None


class NoticeGiven(EventBase):
    """A notice was given to people at `to`, or in the thread's conversation. Models do not see notices."""

    type: Literal["NoticeGiven"] = "NoticeGiven"
    text: str
    to: Address | None = None


class MessageSent(EventBase):
    """A channel accepted a message. `key` is the key of the effect that sent it."""

    type: Literal["MessageSent"] = "MessageSent"
    key: str
    to: Address
    receipt: Receipt


class MessageUndeliverable(EventBase):
    """A channel cannot deliver this message. `key` is the key of the effect that sent it.

    `instead` is the address to which a reply is sent next. `request_id` is set if the message was a card of an open
    request. `receipt` is set if the channel had accepted the message before, as a mail that bounces.
    """

    type: Literal["MessageUndeliverable"] = "MessageUndeliverable"
    key: str
    to: Address
    reason: str
    instead: Address | None = None
    request_id: str | None = Field(default=None, exclude_if=lambda request_id: request_id is None)
    receipt: Receipt | None = Field(default=None, exclude_if=lambda receipt: receipt is None)


class ThreadPaused(EventBase):
    """The thread was paused; no new work starts until it is resumed."""

    type: Literal["ThreadPaused"] = "ThreadPaused"
    reason: str


class ThreadResumed(EventBase):
    """The thread was resumed and continues from where it was paused."""

    type: Literal["ThreadResumed"] = "ThreadResumed"


class ThreadCancelled(EventBase):
    """The thread was cancelled. A tool that is already running may still report its result."""

    type: Literal["ThreadCancelled"] = "ThreadCancelled"
    reason: str


class ThreadFinished(EventBase):
    """The thread ended: the agent was done, or could not go on (`outcome` failed). A new message re-opens it."""

    type: Literal["ThreadFinished"] = "ThreadFinished"
    outcome: Literal["done", "failed"] = "done"
    reason: str


class TimerSet(EventBase):
    """The agent chose to wait until `fires_at`."""

    type: Literal["TimerSet"] = "TimerSet"
    fires_at: AwareDatetime
    reason: str


class TimerFired(EventBase):
    """The timer of the thread fired."""

    type: Literal["TimerFired"] = "TimerFired"


class BudgetReached(EventBase):
    """The thread reached a limit of its budget."""

    type: Literal["BudgetReached"] = "BudgetReached"
    kind: BudgetKind
    limit: float
    used: float


class BudgetExtended(EventBase):
    """A person (the `actor`) extended the budget of the thread. `by` is the amount added, in the unit of `kind`."""

    type: Literal["BudgetExtended"] = "BudgetExtended"
    kind: BudgetKind
    by: float


class ThreadForked(EventBase):
    """The thread began as a copy of the first `at_seq` events of `parent`. Pending work was not copied."""

    type: Literal["ThreadForked"] = "ThreadForked"
    thread_id: str
    parent: str
    at_seq: int


class UnknownEvent(EventBase):
    """An event of a newer version of Handrail. It is stored and shown, and it pauses the thread."""

    type: str
    data: dict[str, Any] = {}


KnownEvent = (
    ThreadStarted | MessageReceived | MessageEdited | MessageDeleted
    | StepChosen | StepRejected
    | ToolCalled | ToolStarted | ToolSucceeded | ToolFailed | ToolOutcomeUnknown
    | RequestOpened | RequestShown | DeliveryConfirmed | RequestReminded | RequestEscalated
    | RequestAnswered | RequestExpired | RequestSuperseded
    | ReplyChosen | NoticeGiven | MessageSent | MessageUndeliverable
    | ThreadPaused | ThreadResumed | ThreadCancelled | ThreadFinished
    | TimerSet | TimerFired | BudgetReached | BudgetExtended | ThreadForked
)  # fmt: skip
Event = KnownEvent | UnknownEvent
