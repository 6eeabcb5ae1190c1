"""What happened: the closed union of facts a thread's log is made of (DESIGN §5).

An event is frozen for ever once released: fields may be added with a default, a change of meaning raises `v` and
teaches `storage.codec` to lift the old form. A golden file per type holds us to it (tests/payloads/events).
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from agents.addresses import Address
from agents.budget import Budget, BudgetKind, Usage
from agents.completion import CompletionOutcome
from agents.event_base import EventBase, Trusted, TrustedByDefault
from agents.messages import Receipt
from agents.policy import EffectClass, OnExpire, PolicyDecision
from agents.requests import Deciders, RecordedAnswer, Request, RequestStatus
from agents.steps import Step


class ThreadStarted(EventBase):
    """A thread was opened; replies leave at `origin`."""

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
    """Somebody said something to the thread. Later facts name it by `ref`, its channel's own name for it.

    `entered_by` is the authenticated address when it is not the actor. `author` names the writer of words that the
    actor only passes on, by address where the channel knows one: they are content, and no instruction.
    """

    type: Literal["MessageReceived"] = "MessageReceived"
    text: str
    source: Address
    ref: str | None = None
    entered_by: Address | None = None
    author: str | None = None


class MessageEdited(EventBase):
    """Whoever wrote the message gave it another text."""

    type: Literal["MessageEdited"] = "MessageEdited"
    ref: str
    text: str
    source: Address


class MessageDeleted(EventBase):
    """Whoever wrote the message took it back."""

    type: Literal["MessageDeleted"] = "MessageDeleted"
    ref: str
    source: Address


MessageEvent = MessageReceived | MessageEdited | MessageDeleted
"""What people say, and what they make of it later."""


class StepChosen(EventBase):
    """A model chose the next step; nothing has been carried out by that."""

    type: Literal["StepChosen"] = "StepChosen"
    step: Step
    reasoning: str = ""
    model: str
    prompt_hash: str
    usage: Usage | None = None
    based_on: int


class StepRejected(EventBase):
    """A model call ended without a step that can be carried out.

    `announced` when a person is told with it that the model cannot be reached. `written` is how an answer began that
    its server refused as no valid JSON.
    """

    type: Literal["StepRejected"] = "StepRejected"
    outcome: CompletionOutcome
    detail: str
    model: str
    usage: Usage | None = None
    retry_at: AwareDatetime | None = None
    announced: bool | None = None
    written: str | None = None


FailureStage = Literal["unbegun", "look", "postponed"]
"""What failed if not the run: a run that was announced and had not begun, the look for what a run did, the start."""


class ToolCalled(EventBase):
    """A tool is to be used with exactly these arguments, as far as the policy's verdict lets it.

    `prefetch` is there where another agent is asked in place of a tool: what that one looks up first. `where` is the
    file and line at which preparing the call failed. The call is not `trusted` when its tool put foreign content into
    the arguments or into the reason of a refusal.
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
        """Whether another agent goes on from here; the ToolSucceeded of this call is its answer."""
        return self.prefetch is not None


class ToolStarted(EventBase):
    """Written before the call leaves, so that a crash can never hide it."""

    type: Literal["ToolStarted"] = "ToolStarted"
    call_id: str
    key: str
    attempt: int = 1


class ToolSucceeded(EventBase):
    """The tool did its work. The result is `trusted` if it is the operator's own data."""

    type: Literal["ToolSucceeded"] = "ToolSucceeded"
    call_id: str
    result: Any = None
    summary: str
    trusted: Trusted = False


class ToolFailed(EventBase):
    """The tool did not do its work; with `retry_at` it is tried again with the same key.

    `where` is the file and line, for those who look into the log: models and people are told the `error` alone.
    """

    type: Literal["ToolFailed"] = "ToolFailed"
    call_id: str
    error: str
    retry_at: AwareDatetime | None = None
    stage: FailureStage | None = None
    where: str | None = None
    trusted: Trusted = False


class ToolOutcomeUnknown(EventBase):
    """The tool was started and nobody can tell whether it did its work."""

    type: Literal["ToolOutcomeUnknown"] = "ToolOutcomeUnknown"
    call_id: str
    detail: str
    where: str | None = None
    trusted: Trusted = False


class RequestOpened(EventBase):
    """A person is asked."""

    type: Literal["RequestOpened"] = "RequestOpened"
    request: Request


class RequestShown(EventBase):
    """A channel took a card of the request."""

    type: Literal["RequestShown"] = "RequestShown"
    key: str
    request_id: str
    to: Address
    receipt: Receipt


class RequestReminded(EventBase):
    """Nobody answered in time for the next reminder."""

    type: Literal["RequestReminded"] = "RequestReminded"
    request_id: str
    nth: int


class RequestEscalated(EventBase):
    """Nobody answered in time: others, or another channel, are asked as well."""

    type: Literal["RequestEscalated"] = "RequestEscalated"
    request_id: str
    nth: int
    to: tuple[Address, ...]


class RequestAnswered(EventBase):
    """Somebody answered. `status` is what the request is from now on; an answer that does not count leaves it open.

    An edit carries the new arguments, their digest, policy's verdict on them, and who may decide them from now on.
    `outcome` says how the request ended, in the words of its card.
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
        """Return whether the model is told more than that a person decided."""
        return bool(self.answer.text or self.answer.comment or self.arguments is not None)


class RequestExpired(EventBase):
    """Nobody answered in time: a timeout, not a refusal."""

    type: Literal["RequestExpired"] = "RequestExpired"
    request_id: str
    on_expire: OnExpire


class RequestSuperseded(EventBase):
    """A new instruction made the request pointless, or what had led to it was taken back."""

    type: Literal["RequestSuperseded"] = "RequestSuperseded"
    request_id: str
    reason: str


class ReplyChosen(EventBase):
    """The thread answers its requester. `draft` is where they could read along while the model wrote it."""

    type: Literal["ReplyChosen"] = "ReplyChosen"
    text: str
    draft: Receipt | None = None


class NoticeGiven(EventBase):
    """People are told how a request stands, at `to` or where replies go. No model learns of it."""

    type: Literal["NoticeGiven"] = "NoticeGiven"
    text: str
    to: Address | None = None


class MessageSent(EventBase):
    """A channel took a message."""

    type: Literal["MessageSent"] = "MessageSent"
    key: str
    to: Address
    receipt: Receipt


class MessageUndeliverable(EventBase):
    """A channel will never take this message; it goes to `instead`, or was a card of the open request `request_id`."""

    type: Literal["MessageUndeliverable"] = "MessageUndeliverable"
    key: str
    to: Address
    reason: str
    instead: Address | None = None
    request_id: str | None = Field(default=None, exclude_if=lambda name: name is None)


class ThreadPaused(EventBase):
    """Nothing new is started until somebody resumes the thread."""

    type: Literal["ThreadPaused"] = "ThreadPaused"
    reason: str


class ThreadResumed(EventBase):
    """The thread goes back to what it waited for."""

    type: Literal["ThreadResumed"] = "ThreadResumed"


class ThreadCancelled(EventBase):
    """The thread is over; a tool that is already running may still report."""

    type: Literal["ThreadCancelled"] = "ThreadCancelled"
    reason: str


class ThreadFinished(EventBase):
    """The agent is done for now; a new message re-opens the thread."""

    type: Literal["ThreadFinished"] = "ThreadFinished"
    outcome: Literal["done", "failed"] = "done"
    reason: str


class TimerSet(EventBase):
    """The agent chose to wait."""

    type: Literal["TimerSet"] = "TimerSet"
    fires_at: AwareDatetime
    reason: str


class TimerFired(EventBase):
    """The wait is over."""

    type: Literal["TimerFired"] = "TimerFired"


class BudgetReached(EventBase):
    """The thread has used up what it was given."""

    type: Literal["BudgetReached"] = "BudgetReached"
    kind: BudgetKind
    limit: float
    used: float


class BudgetExtended(EventBase):
    """A person gave the thread more."""

    type: Literal["BudgetExtended"] = "BudgetExtended"
    kind: BudgetKind
    by: float


class ThreadForked(EventBase):
    """This log is a copy of another one up to here; nothing that was in flight there is in flight here."""

    type: Literal["ThreadForked"] = "ThreadForked"
    thread_id: str
    parent: str
    at_seq: int


class UnknownEvent(EventBase):
    """A fact written by a newer Handrail. It is kept, shown, and pauses the thread; it is never skipped."""

    type: str
    data: dict[str, Any] = {}


KnownEvent = (
    ThreadStarted
    | MessageReceived
    | MessageEdited
    | MessageDeleted
    | StepChosen
    | StepRejected
    | ToolCalled
    | ToolStarted
    | ToolSucceeded
    | ToolFailed
    | ToolOutcomeUnknown
    | RequestOpened
    | RequestShown
    | RequestReminded
    | RequestEscalated
    | RequestAnswered
    | RequestExpired
    | RequestSuperseded
    | ReplyChosen
    | NoticeGiven
    | MessageSent
    | MessageUndeliverable
    | ThreadPaused
    | ThreadResumed
    | ThreadCancelled
    | ThreadFinished
    | TimerSet
    | TimerFired
    | BudgetReached
    | BudgetExtended
    | ThreadForked
)
Event = KnownEvent | UnknownEvent

EVENT_ADAPTER: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="type")])
EVENT_VERSIONS: dict[str, int] = {
    kind.model_fields["type"].default: kind.model_fields["v"].default for kind in KnownEvent.__args__
}
