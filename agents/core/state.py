"""The state of a thread, computed only from the events of its log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from agents.core.completion import Budget
from agents.core.events import (
    BudgetExtended,
    Event,
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
from agents.core.messages import Message, Provenance, Receipt
from agents.core.policy import ApprovalTerms, EffectClass
from agents.core.requests import RecordedAnswer, Request
from agents.core.values import ENGINE, Address, FrozenModel

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
"""Events that models see; all other events are only for people."""


class CurrentCall(FrozenModel):
    """The current tool call of a thread: waiting for people, approved, or running without an outcome yet.

    An attempt is one start of the call, counted from 1. `effect` is the tool's effect class (whether a call may be
    repeated), `digest` the hash of the exact call. `prefetched` marks a call before the first model call. `terms` are
    the terms of its approval and `approvals` the answers, if people had to approve it. `requesters` are the addresses
    whose messages led to the call. `agent` is set for a call of a delegated agent, and stays when the thread is
    cancelled. `consecutive_delays` is the number of failed checks and postponed starts since the last start; each of
    them delays the next one. `unstarted_attempts` is the number of attempts for which ToolStarted was recorded although
    the tool did not run. `is_retry_ordered` (a stored name) means that a person requested a retry of the call although
    it may have run before.
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
    """A message from one agent, `delegator`, to another, `agent`, which works until it has answered.

    The answer, the final message of `agent`, is the result of the call `call_id`.
    """

    agent: str
    delegator: str
    call_id: str
    message: str


class PendingMessage(FrozenModel):
    """A message that no channel has accepted yet. `replaces` is the receipt of a sent message that it changes."""

    key: str
    to: Address
    message: Message
    request_id: str | None = None
    replaces: Receipt | None = None


class Outage(FrozenModel):
    """An outage of the model: calls fail since this time. `is_announced` means that people were notified."""

    since: AwareDatetime
    is_announced: bool = False


class DecisionComment(FrozenModel):
    """A comment that the person `by` wrote on a decision about a call of `tool`. It may lead to the next proposal."""

    by: Address
    tool: str | None


class ThreadState(FrozenModel):
    """The state of one thread after `version` events.

    `origin` is the address to which replies and cards go. `delegations` are the agents that work for others, each for
    the one before it; the first works for the thread's `agent`. `requesters` are the addresses of all people whose
    messages are in the log, the opener first. `deciders` are the roles and people that the terms of its requests name,
    including settled requests, as `role:NAME` and `person:KEY`.

    `title` is that of the first message, if it has one. `paused` is the reason for a pause. `unreadable` is the type of
    an event that this build does not know. `needs_model` means that a model must choose the next step. `prefetch` names
    the tools that run before that. `repairs` counts the invalid answers of the model in a row, `retries` its failed
    calls, and `failures` the tool calls that failed or were denied by policy. `history` holds the events that the model
    sees, up to a limit: `dropped_events` is the number of events dropped from it, `context_seq` the sequence number of
    the last one in it.
    """

    version: int = 0
    thread_id: str = ""
    agent: str = ""
    origin: Address = ENGINE
    requester: Address = ENGINE
    requesters: tuple[Address, ...] = ()
    decision_comments: tuple[DecisionComment, ...] = ()
    deciders: tuple[str, ...] = ()
    title: str | None = None
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
        """The agent that works now: the one asked last, or the thread's own."""
        return self.delegations[-1].agent if self.delegations else self.agent

    def requesters_for(self, tool: str | None, *, may_editor_approve: bool = True) -> tuple[Address, ...]:
        """Return the people whose messages would lead to a proposal of this tool now.

        A comment on a call of the same tool acts like an edit of that call, so its author counts as a requester only if
        editors may not approve.
        """
        commenters = (one.by for one in self.decision_comments if one.tool != tool or not may_editor_approve)
        return tuple(dict.fromkeys((*self.requesters, *commenters)))

    @property
    def is_trusted(self) -> bool:
        """Whether all content that the model sees comes from known people or the operator's own systems.

        Events of the current call are ignored, because it was chosen before its tool returned any content.
        """
        call_id = self.current_call.call_id if self.current_call else ""
        return not any(is_untrusted(event) for event in self.history if getattr(event, "call_id", None) != call_id)

    @property
    def open_request(self) -> Request | None:
        """The open request, or None. A thread has at most one."""
        return next((r for r in self.requests if r.status == "open"), None)

    @property
    def status(self) -> ThreadStatus:
        """The public status of the thread."""
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
        """When the thread continues by itself: the end of a wait or of a retry delay; None if it does not wait."""
        if self.timer_at is not None:
            return self.timer_at
        if self.current_call is not None:
            return self.current_call.retry_at
        return self.retry_at if self.needs_model else None

    def get_request(self, request_id: str) -> Request | None:
        return next((r for r in self.requests if r.id == request_id), None)

    def get_message(self, ref: str) -> MessageReceived | MessageEdited | None:
        """Return the current version of a message; None if it was deleted, dropped from the history, or is unknown."""
        last = next((e for e in reversed(self.history) if isinstance(e, MessageEvent) and e.ref == ref), None)
        return None if isinstance(last, MessageDeleted) else last


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
