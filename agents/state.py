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
    MessageReceived,
    NoticeGiven,
    ReplyChosen,
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    Spoken,
    StepChosen,
    StepRejected,
    ThreadForked,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.frozen import Frozen
from agents.messages import Message, Receipt
from agents.policy import Ask, EffectClass
from agents.requests import GivenAnswer, Request
from agents.trust import is_untrusted

ThreadStatus = Literal["running", "waiting_for_human", "waiting_for_time", "paused", "done", "failed", "cancelled"]

Remembered = Annotated[
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


class OpenCall(Frozen):
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
    phase: Literal["asked", "ready", "started"]
    attempt: int = 0
    retry_at: AwareDatetime | None = None
    prefetched: bool = False
    requesters: tuple[Address, ...] = ()
    approvals: tuple[GivenAnswer, ...] = ()
    ask: Ask | None = None
    agent: str | None = None
    delays: int = 0
    unbegun: int = 0
    insisted: bool = False


class Asked(Frozen):
    """An agent that works because another one, `by`, asked it; its answer is the result of the call."""

    agent: str
    by: str
    call_id: str
    message: str


class Outgoing(Frozen):
    """A message the log wants sent and no channel has taken yet."""

    key: str
    to: Address
    message: Message
    request_id: str | None = None
    replacing: Receipt | None = None


class Outage(Frozen):
    """The time since which the model has not answered; `announced` when a person was told of it."""

    since: AwareDatetime
    announced: bool = False


class Advice(Frozen):
    """A person whose decision about a call of `tool` came with words, which may lead to the next proposal."""

    by: Address
    tool: str | None


class ThreadState(Frozen):
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
    advice: tuple[Advice, ...] = ()
    deciders: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    life: Literal["open", "done", "failed", "cancelled"] = "open"
    paused: str | None = None
    unreadable: str | None = None
    models_turn: bool = False
    prefetch: tuple[str, ...] = ()
    call: OpenCall | None = None
    asked: tuple[Asked, ...] = ()
    requests: tuple[Request, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()
    fires_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    repairs: int = 0
    retries: int = 0
    outage: Outage | None = None
    failures: int = 0
    budget: Budget = Budget()
    spent: Budget = Budget(steps=0, tokens=0, usd=0.0, wall_clock=0.0)
    recent: tuple[Remembered, ...] = ()
    forgotten: int = 0
    context_seq: int = 0
    last_notice: NoticeGiven | None = None

    @property
    def acting(self) -> str:
        """The agent at work: the one asked last, or the thread's own."""
        return self.asked[-1].agent if self.asked else self.agent

    def requesters_of(self, tool: str | None, *, may_edit: bool = True) -> tuple[Address, ...]:
        """Return those whose words lead to a proposal of this tool now.

        Advice about a call of the same tool changes that call as an edit does, so it makes a requester only where an
        editor may not approve.
        """
        advisers = (advice.by for advice in self.advice if advice.tool != tool or not may_edit)
        return tuple(dict.fromkeys((*self.requesters, *advisers)))

    @property
    def is_trusted(self) -> bool:
        """Return whether all the model may be shown is from known people and the operator's own systems.

        The events of the call in hand do not count: the call was chosen before its tool brought anything in.
        """
        in_hand = self.call.call_id if self.call else ""
        return not any(is_untrusted(event) for event in self.recent if getattr(event, "call_id", None) != in_hand)

    @property
    def request(self) -> Request | None:
        """The request that is open, if any: at most one is."""
        return next((r for r in self.requests if r.status == "open"), None)

    @property
    def status(self) -> ThreadStatus:
        """What the thread is doing, in the words of CONTRACT §4."""
        if self.life == "cancelled":
            return "cancelled"
        if self.paused is not None or self.unreadable is not None:
            return "paused"
        if self.life != "open":
            return self.life
        if self.request is not None:
            return "waiting_for_human"
        return "waiting_for_time" if self.sleeping_until else "running"

    @property
    def sleeping_until(self) -> datetime | None:
        """When the thread itself goes on: the end of an await or of a back-off."""
        if self.fires_at is not None:
            return self.fires_at
        if self.call is not None:
            return self.call.retry_at
        return self.retry_at if self.models_turn else None

    def request_named(self, request_id: str) -> Request | None:
        return next((r for r in self.requests if r.id == request_id), None)

    def message_named(self, ref: str) -> MessageReceived | MessageEdited | None:
        """The message as it stands; None when it was deleted, is forgotten, or was never heard."""
        last = next((e for e in reversed(self.recent) if isinstance(e, Spoken) and e.ref == ref), None)
        return None if isinstance(last, MessageDeleted) else last
