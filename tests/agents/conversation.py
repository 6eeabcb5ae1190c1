"""A thread played through the pure core: people say things, a model chooses, tools end as the test wants."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from agents.addresses import ENGINE, Address, person
from agents.agent import Agent
from agents.completion import Completion, Outcome
from agents.deadlines import due
from agents.events import (
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
from agents.interpret import call_tool, interpret, refused_call
from agents.judge import judge
from agents.listen import listen, listen_again
from agents.messages import Assurance, Changed, Heard, Provenance
from agents.model import Model, Turn
from agents.moment import Moment
from agents.opening import ask_for_help, ask_what_happened
from agents.people import People, Person
from agents.policy import Policy
from agents.prompt import render_prompt
from agents.reducer import fold
from agents.requests import Answer, Decision, Request
from agents.state import OpenCall, ThreadState
from agents.steps import CallTool, Step

ALICE, BOB = person("alice"), person("bob")
PEOPLE = People(
    everybody=(Person(key="alice", name="Alice", roles=("dev",)), Person(key="bob", name="Bob", roles=("release",)))
)
TERMINAL = Address("terminal:alice")


@dataclass
class Conversation:
    """One thread with one model; the clock goes on by a second for whatever happens."""

    agent: Agent
    model: Model
    policy: Policy = field(default_factory=lambda: Policy(people=PEOPLE))
    state: ThreadState = field(default_factory=ThreadState)
    others: tuple[Agent, ...] = ()
    _ticks: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        moment = self._moment()
        self.record(
            ThreadStarted(at=moment.now, actor=ALICE, thread_id="t1", agent=self.agent.name, origin=TERMINAL,
                          requester=ALICE)
        )  # fmt: skip

    @property
    def agents(self) -> dict[str, Agent]:
        return {agent.name: agent for agent in (self.agent, *self.others)}

    @property
    def acting(self) -> Agent:
        """The agent at work."""
        return self.agents[self.state.acting]

    def says(self, text: str, by: Address = ALICE, ref: str | None = None) -> None:
        """Somebody says something to the thread."""
        source = Address(f"terminal:{by.rest}")
        heard = Heard(text=text, by=by, source=source, provenance=Provenance.VERIFIED_PERSON, at=self._moment().now,
                      ref=ref)  # fmt: skip
        self.record(*listen(self.state, heard, people=PEOPLE, agent=self.acting))

    def rewords(self, ref: str, text: str | None, by: Address = ALICE) -> None:
        """Somebody edits what they said; without a text they take it back."""
        changed = Changed(ref=ref, text=text, by=by, source=Address(f"terminal:{by.rest}"),
                          provenance=Provenance.VERIFIED_PERSON, at=self._moment().now)  # fmt: skip
        self.record(*listen_again(self.state, changed, people=PEOPLE, agent=self.acting))

    async def chooses(self) -> Completion:
        """The model is asked, and what it chose follows."""
        assert self.state.models_turn, "it is not the model's turn"
        completion = await self.model.complete(self._turn())
        if completion.step is not None:
            chosen = self._chosen(completion.step, completion.model)
            self.record(chosen, *interpret(self.state, completion.step, self._moment(), agent=self.acting,
                                           policy=self.policy, agents=self.agents))  # fmt: skip
        return completion

    async def step(self) -> Step:
        """The step the model chooses."""
        completion = await self.chooses()
        assert completion.step is not None, completion.detail
        return completion.step

    async def replies(self) -> str:
        """The model chooses, and ends with these words."""
        await self.chooses()
        last = self.state.recent[-1]
        assert isinstance(last, ReplyChosen), f"it did not reply: {last.type}"
        return last.text

    async def chooses_what_makes_no_sense(self, reason: str) -> None:
        """The model chooses a call that its preparation refuses."""
        completion = await self.model.complete(self._turn())
        assert isinstance(completion.step, CallTool)
        refused = refused_call(self.state, completion.step, reason, self._moment(), agent=self.acting)
        self.record(self._chosen(completion.step, completion.model), refused)

    def prefetches(self, tool: str, summary: str) -> None:
        """A tool ran before the model was asked for the first time."""
        step = CallTool(tool=tool, arguments={})
        self.record(
            *call_tool(self.state, step, self._moment(), agent=self.acting, policy=self.policy, prefetched=True)
        )
        self.succeeds(summary)

    def succeeds(self, summary: str, result: Any = None) -> None:
        """The tool in hand did its work."""
        call, at = self._started(), self._moment().now
        self.record(ToolSucceeded(at=at, actor=ENGINE, call_id=call.call_id, summary=summary, result=result))

    def fails(self, error: str) -> None:
        """The tool in hand did not do its work."""
        call = self._started()
        self.record(ToolFailed(at=self._moment().now, actor=ENGINE, call_id=call.call_id, error=error))

    def is_lost(self) -> None:
        """Nobody can tell whether the tool in hand ran; a person is asked."""
        call, moment = self._started(), self._moment()
        unknown = ToolOutcomeUnknown(at=moment.now, actor=ENGINE, call_id=call.call_id, detail="it crashed")
        self.record(unknown, ask_what_happened(self.state, call, moment))

    def answers(
        self, decision: Decision, *, by: Address = BOB, comment: str | None = None, text: str | None = None
    ) -> None:
        """Somebody answers the open request."""
        answer = Answer(by=by, channel=Address(f"web:{by.rest}"), assurance=Assurance.HIGH, decision=decision,
                        comment=comment, text=text)  # fmt: skip
        at = self._moment().now
        judgement = judge(self._request(), answer, people=PEOPLE, now=at)
        self.record(
            RequestAnswered(at=at, actor=by, request_id=self._request().id, answer=judgement.given,
                            status=judgement.status)
        )  # fmt: skip

    def edits(self, **arguments: Any) -> None:
        """Bob replaces arguments of the open request, which approves it."""
        request, at = self._request(), self._moment().now
        answer = Answer(by=BOB, channel=Address("web:bob"), assurance=Assurance.HIGH, decision="approve")
        given = judge(request, answer, people=PEOPLE, now=at).given
        changed = {**(request.arguments or {}), **arguments}
        self.record(
            RequestAnswered(at=at, actor=BOB, request_id=request.id, answer=given, status="approved",
                            arguments=changed, digest="d" * 64, policy=request.policy)
        )  # fmt: skip

    def runs_out(self) -> None:
        """Nobody answers the open request."""
        self.record(*due(self.state, self._request().opened_at + timedelta(days=8), PEOPLE))

    def wakes(self) -> None:
        """The wait is over."""
        assert self.state.fires_at is not None, "nothing is waited for"
        self.record(*due(self.state, self.state.fires_at, PEOPLE))

    def gets_stuck(self) -> None:
        """The engine asks a person how to go on."""
        self.record(ask_for_help(self.state, "Several attempts failed.", self._moment()))

    def is_given_more_budget(self) -> None:
        self.record(BudgetExtended(at=self._moment().now, actor=BOB, kind="steps", by=10))

    def is_forked(self) -> None:
        """The thread goes on as a copy of itself."""
        at = self._moment().now
        self.record(ThreadForked(at=at, actor=BOB, thread_id="t2", parent="t1", at_seq=self.state.version))

    def is_rejected(self, outcome: Outcome, model: str) -> None:
        """A call of a model ended without a step."""
        self.record(StepRejected(at=self._moment().now, actor=ENGINE, outcome=outcome, detail="", model=model))

    def record(self, *events: KnownEvent) -> None:
        self.state = fold(self.state, events)

    def forgets(self, keep: int) -> None:
        """Only the last events are still remembered."""
        self.state = self.state.model_copy(update={"recent": self.state.recent[-keep:]})

    def _turn(self) -> Turn:
        return Turn(self.state, self.acting, render_prompt(self.state, self.acting))

    def _chosen(self, step: Step, model: str) -> StepChosen:
        at = self._moment().now
        return StepChosen(at=at, actor=ENGINE, step=step, model=model, prompt_hash="p", based_on=self.state.version)

    def _started(self) -> OpenCall:
        call = self.state.call
        assert call is not None, "there is no call in hand"
        assert call.phase == "ready", f"the call may not start: {call.phase}"
        self.record(ToolStarted(at=self._moment().now, actor=ENGINE, call_id=call.call_id, key="k"))
        return call

    def _request(self) -> Request:
        request = self.state.request
        assert request is not None, "nobody is asked anything"
        return request

    def _moment(self) -> Moment:
        tick = next(self._ticks)
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=tick)
        return Moment(now=now, fresh=f"{tick:04}", code="ABCDE")
