"""A thread that runs in the core without I/O: the test writes messages, calls the model and ends tools."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.deadlines import due_events
from agents.core.decisions import evaluate_answer
from agents.core.events import (
    BudgetExtended,
    KnownEvent,
    ReplyChosen,
    RequestAnswered,
    StepChosen,
    StepRejected,
    ThreadForked,
    ThreadStarted,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolStarted,
    ToolSucceeded,
)
from agents.core.interpret import events_for_step, events_for_tool_call, rejected_tool_call
from agents.core.message_rules import events_for_edit, events_for_message
from agents.core.messages import Assurance, IncomingEdit, IncomingMessage, Provenance
from agents.core.policy import Policy
from agents.core.reducer import fold
from agents.core.request_factory import help_request, outcome_request
from agents.core.requests import Answer, Decision, Request
from agents.core.state import CurrentCall, ThreadState
from agents.core.steps import CallTool, Step
from agents.core.values import ENGINE, Address, EventStamp
from agents.llm.base import Model, ModelRequest
from agents.llm.prompt import render_prompt
from tests.harness.people import ALICE, BOB, PEOPLE

TERMINAL = Address("terminal:alice")


@dataclass
class Conversation:
    """One thread with one model. Each stamp is a second later than the one before."""

    agent: Agent
    model: Model
    policy: Policy = field(default_factory=lambda: Policy(people=PEOPLE))
    state: ThreadState = field(default_factory=ThreadState)
    others: tuple[Agent, ...] = ()
    _ticks: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        stamp = self._new_stamp()
        self.record(
            ThreadStarted(
                at=stamp.now, actor=ALICE, thread_id="t1", agent=self.agent.name, origin=TERMINAL, requester=ALICE
            )
        )

    @property
    def agents(self) -> dict[str, Agent]:
        return {agent.name: agent for agent in (self.agent, *self.others)}

    @property
    def active_agent(self) -> Agent:
        """Agent that works in the thread now: the delegate during a delegation, else the thread's agent."""
        return self.agents[self.state.active_agent]

    def post_message(self, text: str, by: Address = ALICE, ref: str | None = None) -> None:
        """Write a message to the thread."""
        source = Address(f"terminal:{by.id}")
        message = IncomingMessage(
            text=text, by=by, source=source, provenance=Provenance.VERIFIED_PERSON, at=self._new_stamp().now, ref=ref
        )
        self.record(*events_for_message(self.state, message, people=PEOPLE, agent=self.active_agent))

    def edit_message(self, ref: str, text: str | None, by: Address = ALICE) -> None:
        """Edit a message, or delete it (text None)."""
        edit = IncomingEdit(
            ref=ref,
            text=text,
            by=by,
            source=Address(f"terminal:{by.id}"),
            provenance=Provenance.VERIFIED_PERSON,
            at=self._new_stamp().now,
        )
        self.record(*events_for_edit(self.state, edit, people=PEOPLE, agent=self.active_agent))

    async def run_model(self) -> Completion:
        """Call the model and record the events of its step."""
        assert self.state.needs_model, "the thread does not need the model"
        completion = await self.model.complete(self._model_request())
        if completion.step is not None:
            chosen = self._step_chosen(completion.step, completion.model)
            self.record(
                chosen,
                *events_for_step(
                    self.state,
                    completion.step,
                    self._new_stamp(),
                    agent=self.active_agent,
                    policy=self.policy,
                    agents=self.agents,
                ),
            )
        return completion

    async def next_step(self) -> Step:
        """Call the model and return the chosen step."""
        completion = await self.run_model()
        assert completion.step is not None, completion.detail
        return completion.step

    async def run_model_to_reply(self) -> str:
        """Call the model and return its final reply."""
        await self.run_model()
        last = self.state.history[-1]
        assert isinstance(last, ReplyChosen), f"it did not reply: {last.type}"
        return last.text

    async def run_model_with_rejected_call(self, reason: str) -> None:
        """Call the model, which chooses a call that its preparation rejects."""
        completion = await self.model.complete(self._model_request())
        assert isinstance(completion.step, CallTool)
        rejected = rejected_tool_call(self.state, completion.step, reason, self._new_stamp(), agent=self.active_agent)
        self.record(self._step_chosen(completion.step, completion.model), rejected)

    def prefetch(self, tool: str, summary: str) -> None:
        """Run a prefetch tool before the first model call."""
        step = CallTool(tool=tool, arguments={})
        self.record(
            *events_for_tool_call(
                self.state, step, self._new_stamp(), agent=self.active_agent, policy=self.policy, is_prefetch=True
            )
        )
        self.succeed_tool(summary)

    def succeed_tool(self, summary: str, result: Any = None) -> None:
        """Let the current tool call succeed."""
        call, at = self._start_tool(), self._new_stamp().now
        self.record(ToolSucceeded(at=at, actor=ENGINE, call_id=call.call_id, summary=summary, result=result))

    def fail_tool(self, error: str) -> None:
        """Let the current tool call fail."""
        call = self._start_tool()
        self.record(ToolFailed(at=self._new_stamp().now, actor=ENGINE, call_id=call.call_id, error=error))

    def lose_tool_outcome(self) -> None:
        """Let the outcome of the current tool call be unknown, and ask a person."""
        call, stamp = self._start_tool(), self._new_stamp()
        unknown = ToolOutcomeUnknown(at=stamp.now, actor=ENGINE, call_id=call.call_id, detail="it crashed")
        self.record(unknown, outcome_request(self.state, call, stamp))

    def answer_request(
        self, decision: Decision, *, by: Address = BOB, comment: str | None = None, text: str | None = None
    ) -> None:
        """Answer the open request."""
        answer = Answer(
            by=by,
            channel=Address(f"web:{by.id}"),
            assurance=Assurance.HIGH,
            decision=decision,
            comment=comment,
            text=text,
        )
        at = self._new_stamp().now
        evaluation = evaluate_answer(self._open_request(), answer, people=PEOPLE, now=at)
        self.record(
            RequestAnswered(
                at=at, actor=by, request_id=self._open_request().id, answer=evaluation.answer, status=evaluation.status
            )
        )

    def edit_arguments(self, **arguments: Any) -> None:
        """Let Bob edit arguments of the open request, which approves it."""
        request, at = self._open_request(), self._new_stamp().now
        answer = Answer(by=BOB, channel=Address("web:bob"), assurance=Assurance.HIGH, decision="approve")
        recorded = evaluate_answer(request, answer, people=PEOPLE, now=at).answer
        edit = {**(request.arguments or {}), **arguments}
        self.record(
            RequestAnswered(
                at=at,
                actor=BOB,
                request_id=request.id,
                answer=recorded,
                status="approved",
                arguments=edit,
                digest="d" * 64,
                policy=request.policy,
            )
        )

    def expire_request(self) -> None:
        """Let the open request expire."""
        self.record(*due_events(self.state, self._open_request().opened_at + timedelta(days=8), PEOPLE))

    def end_wait(self) -> None:
        """Let the timer fire."""
        assert self.state.timer_at is not None, "the thread does not wait"
        self.record(*due_events(self.state, self.state.timer_at, PEOPLE))

    def ask_for_help(self) -> None:
        """Ask a person how to continue."""
        self.record(help_request(self.state, "Several attempts failed.", self._new_stamp()))

    def extend_budget(self) -> None:
        self.record(BudgetExtended(at=self._new_stamp().now, actor=BOB, kind="steps", by=10))

    def fork(self) -> None:
        """Fork the thread and continue in the fork."""
        at = self._new_stamp().now
        self.record(ThreadForked(at=at, actor=BOB, thread_id="t2", parent="t1", at_seq=self.state.version))

    def reject_step(self, outcome: CompletionOutcome, model: str) -> None:
        """Record a model call that ended without a step."""
        self.record(StepRejected(at=self._new_stamp().now, actor=ENGINE, outcome=outcome, detail="", model=model))

    def record(self, *events: KnownEvent) -> None:
        self.state = fold(self.state, events)

    def drop_history(self, keep: int) -> None:
        """Drop all but the last events from the history."""
        self.state = self.state.model_copy(update={"history": self.state.history[-keep:]})

    def _model_request(self) -> ModelRequest:
        return ModelRequest(self.state, self.active_agent, render_prompt(self.state, self.active_agent))

    def _step_chosen(self, step: Step, model: str) -> StepChosen:
        at = self._new_stamp().now
        return StepChosen(at=at, actor=ENGINE, step=step, model=model, prompt_hash="p", based_on=self.state.version)

    def _start_tool(self) -> CurrentCall:
        call = self.state.current_call
        assert call is not None, "there is no current call"
        assert call.phase == "approved", f"the call may not start: {call.phase}"
        self.record(ToolStarted(at=self._new_stamp().now, actor=ENGINE, call_id=call.call_id, key="k"))
        return call

    def _open_request(self) -> Request:
        request = self.state.open_request
        assert request is not None, "there is no open request"
        return request

    def _new_stamp(self) -> EventStamp:
        tick = next(self._ticks)
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=tick)
        return EventStamp(now=now, new_id=f"{tick:04}", new_code="ABCDE")
