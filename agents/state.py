"""The state of a thread: everything folded from its log, nothing kept beside it (factor 5)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from agents.addresses import ENGINE, Address
from agents.budget import Budget
from agents.events import (
    BudgetExtended,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    MessageReceived,
    NoticeGiven,
    ReplyChosen,
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    StepChosen,
    StepRejected,
    ThreadForked,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.frozen import FrozenModel
from agents.messages import Message, Receipt
from agents.policy import ApprovalTerms, EffectClass
from agents.requests import RecordedAnswer, Request
from agents.trust import is_untrusted

ThreadStatus = Literal["running", "waiting_for_human", "waiting_for_time", "paused", "done", "failed", "cancelled"]

HistoryEvent = Annotated[
    MessageReceived
    | MessageEdited
    | MessageDeleted
    | StepChosen
    | StepRejected
    | ToolCalled
    | ToolSucceeded
    | ToolFailed
    | ToolOutcomeUnknown
    | RequestAnswered
    | RequestExpired
    | RequestSuperseded
    | ReplyChosen
    | TimerFired
    | BudgetExtended
    | ThreadForked,
    Field(discriminator="type"),
]
"""What the model is told about; the rest of the log is for people."""


class CurrentCall(FrozenModel):
    """The tool call in hand. `asked` waits for people, `ready` may start, `started` has no outcome yet.

    `ask` holds the terms on which people approved it, where they were asked, `approvals` their answers. The words of
    `requesters` led to the call. `agent` is whose call it is, where that is not the thread's own: it stays known when
    the thread is cancelled meanwhile. `delays` counts failures in a row of all that comes before a start, `unbegun` the
    attempts that were announced and never began. `insisted` says that a person wants it run although it may have
    happened.
    """

    call_id: str
    tool: str
    tool_version: int
    effect: EffectClass
    arguments: dict[str, Any]
    digest: str
    phase: Literal["awaiting_approval", "approved", "running"]
    attempt: int = 0
    retry_at: AwareDatetime | None = None
    prefetched: bool = False
    requesters: tuple[Address, ...] = ()
    approvals: tuple[RecordedAnswer, ...] = ()
    terms: ApprovalTerms | None = None
    agent: str | None = None
    consecutive_delays: int = 0
    unstarted_attempts: int = 0
    is_retry_ordered: bool = False


class Delegation(FrozenModel):
    """An agent that works because another one, `by`, asked it; its answer is the result of the call."""

    agent: str
    delegator: str
    call_id: str
    message: str


class PendingMessage(FrozenModel):
    """A message the log wants sent and no channel has taken yet."""

    key: str
    to: Address
    message: Message
    request_id: str | None = None
    replaces: Receipt | None = None


class Outage(FrozenModel):
    """The time since which the model has not answered; `announced` when a person was told of it."""

    since: AwareDatetime
    is_announced: bool = False


class DecisionComment(FrozenModel):
    """A person whose decision about a call of `tool` came with words, which may lead to the next proposal."""

    by: Address
    tool: str | None


class ThreadState(FrozenModel):
    """One thread, as of `version` events.

    `asked` are agents at work for others, each for the one before it; the first works for the thread's own `agent`.
    `requesters` are the addresses of all whose words entered the log, the opener first. `deciders` are the roles and
    people that the terms of its requests name, settled ones too, as `role:NAME` and `person:KEY`.
    """

    version: int = 0
    thread_id: str = ""
    agent: str = ""
    origin: Address = ENGINE
    requester: Address = ENGINE
    requesters: tuple[Address, ...] = ()
    decision_comments: tuple[DecisionComment, ...] = ()
    deciders: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    lifecycle: Literal["open", "done", "failed", "cancelled"] = "open"
    paused: str | None = None
    unreadable: str | None = None
    needs_model: bool = False
    prefetch: tuple[str, ...] = ()
    current_call: CurrentCall | None = None
    delegations: tuple[Delegation, ...] = ()
    requests: tuple[Request, ...] = ()
    pending_messages: tuple[PendingMessage, ...] = ()
    timer_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    repairs: int = 0
    retries: int = 0
    outage: Outage | None = None
    failures: int = 0
    budget: Budget = Budget()
    spent: Budget = Budget(steps=0, tokens=0, usd=0.0, wall_clock=0.0)
    history: tuple[HistoryEvent, ...] = ()
    dropped_events: int = 0
    context_seq: int = 0
    last_notice: NoticeGiven | None = None

    @property
    def active_agent(self) -> str:
        """The agent at work: the one asked last, or the thread's own."""
        return self.delegations[-1].agent if self.delegations else self.agent

    def requesters_for(self, tool: str | None, *, may_editor_approve: bool = True) -> tuple[Address, ...]:
        """Return those whose words lead to a proposal of this tool now.

        Advice about a call of the same tool changes that call as an edit does, so it makes a requester only where an
        editor may not approve.
        """
        advisers = (advice.by for advice in self.decision_comments if advice.tool != tool or not may_editor_approve)
        return tuple(dict.fromkeys((*self.requesters, *advisers)))

    @property
    def is_trusted(self) -> bool:
        """Return whether all the model may be shown is from known people and the operator's own systems.

        The events of the call in hand do not count: the call was chosen before its tool brought anything in.
        """
        in_hand = self.current_call.call_id if self.current_call else ""
        return not any(is_untrusted(event) for event in self.history if getattr(event, "call_id", None) != in_hand)

    @property
    def open_request(self) -> Request | None:
        """The request that is open, if any: at most one is."""
        return next((r for r in self.requests if r.status == "open"), None)

    @property
    def status(self) -> ThreadStatus:
        """What the thread is doing, in the words of CONTRACT §4."""
        if self.lifecycle == "cancelled":
            return "cancelled"
        if self.paused is not None or self.unreadable is not None:
            return "paused"
        if self.lifecycle != "open":
            return self.lifecycle
        if self.open_request is not None:
            return "waiting_for_human"
        return "waiting_for_time" if self.resume_at else "running"

    @property
    def resume_at(self) -> datetime | None:
        """When the thread itself goes on: the end of an await or of a back-off."""
        if self.timer_at is not None:
            return self.timer_at
        if self.current_call is not None:
            return self.current_call.retry_at
        return self.retry_at if self.needs_model else None

    def get_request(self, request_id: str) -> Request | None:
        return next((r for r in self.requests if r.id == request_id), None)

    def get_message(self, ref: str) -> MessageReceived | MessageEdited | None:
        """The message as it stands; None when it was deleted, is forgotten, or was never heard."""
        last = next((e for e in reversed(self.history) if isinstance(e, MessageEvent) and e.ref == ref), None)
        return None if isinstance(last, MessageDeleted) else last
