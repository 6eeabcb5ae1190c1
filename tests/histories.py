"""Random valid histories: a walk over everything that can happen to a thread, made by the functions the bot uses."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated, Any, get_args

from hypothesis import strategies as st
from pydantic import Field

from agents.addresses import Address, person
from agents.agent import Agent
from agents.budget import Budget, Usage
from agents.commands import Command, Commands
from agents.completion import Completion, Outcome
from agents.deadlines import due, wake_at
from agents.digest import call_digest
from agents.effects import AskHuman, CallModel, Prefetch, RecoverTool, RunTool, SendMessage
from agents.errors import HandrailError
from agents.escalating import follow_up
from agents.events import (
    BudgetReached,
    FailureStage,
    KnownEvent,
    MessageReceived,
    Spoken,
    ThreadCancelled,
    ThreadForked,
    ThreadPaused,
    ThreadResumed,
    ThreadStarted,
    ToolStarted,
)
from agents.interpret import call_tool
from agents.judge import Edited, judge
from agents.listen import listen, listen_again
from agents.messages import Assurance, Changed, Heard, Provenance, Receipt
from agents.moment import Moment
from agents.next_step import next_step
from agents.opening import ask_for_budget, ask_for_help
from agents.people import People, Person
from agents.policy import Ask, Escalation, Policy, Rule
from agents.reducer import fold
from agents.requests import Answer, Request
from agents.state import ThreadState
from agents.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.tools import ToolContext, ToolResult, tool
from bot.choosing import Choice, chosen, ended_without_step
from bot.deciding import answered
from bot.delivery import delivered, redirected, undeliverable
from bot.ledger import key_of, outcome
from bot.roster import Roster
from bot.running import Ended

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PEOPLE = People(
    everybody=(
        Person(key="alice", name="Alice", roles=("dev",), addresses=(Address("terminal:alice"),)),
        Person(key="bob", name="Bob", roles=("release",), addresses=(Address("terminal:bob"),)),
        Person(key="carol", name="Carol", roles=("release", "oncall"), addresses=(Address("sms:+15550001"),)),
    )
)
WATCHED = Ask(
    roles=("release",),
    quorum=2,
    expires=1800,
    remind=(300, 600),
    escalate=(Escalation(after=900, to=Address("role:oncall"), via="sms"),),
)


@tool(effect="read")
def look(context: ToolContext, depth: Annotated[int, Field(ge=0)] = 1) -> ToolResult:
    """Look around."""
    return ToolResult(summary=f"saw {depth}", data={"depth": depth})


@tool(effect="once", risk="high", ask=Ask(roles=("release",), on_expire="hold"))
def push(context: ToolContext, where: str) -> ToolResult:
    """Push once."""
    return ToolResult(summary=f"pushed {where}")


@tool(effect="idempotent", risk="high", ask=Ask(roles=("release",), on_expire="halt"))
def ship(context: ToolContext, where: str) -> ToolResult:
    """Ship, however often it is told."""
    return ToolResult(summary=f"shipped {where}")


AGENT = Agent(
    name="walker",
    purpose="walks",
    instructions="Walk.",
    tools=(look, push, ship),
    commands=Commands(commands=(Command(say=("ship {where}",), does="ships", step={"intent": "ship"}),)),
    prefetch=("look",),
    asks=("runner",),
)
RUNNER = replace(AGENT, name="runner", purpose="runs", instructions="Run.", asks=("carrier", "walker"))
CARRIER = replace(AGENT, name="carrier", purpose="carries", instructions="Carry.", prefetch=(), asks=("walker",))
AGENTS = {agent.name: agent for agent in (AGENT, RUNNER, CARRIER)}
"""The thread's own agent, one it may ask, and one that this one may ask in turn; both try to close the circle."""

POLICY = Policy(
    people=PEOPLE,
    rules=(
        Rule(name="production", tool="ship", when={"where": "production"}, ask=WATCHED),
        Rule(name="never", tool="*", when={"where": "mars"}, deny="not to mars"),
    ),
)
ROSTER = Roster(AGENTS, POLICY)
STEPS = (
    CallTool(tool="look", arguments={"depth": 2}),
    CallTool(tool="push", arguments={"where": "staging"}),
    CallTool(tool="ship", arguments={"where": "production"}),
    CallTool(tool="ship", arguments={"where": "mars"}),
    CallTool(tool="dig", arguments={}),
    RequestHumanInput(question="Where to?", choices=("here", "there"), format="multiple_choice"),
    RequestHumanInput(question="Sure?", format="yes_no"),
    RequestHumanInput(question="Why?"),
    DoneForNow(message="Done."),
    NothingToDo(reason="nothing to do"),
    Await(seconds=600, reason="patience"),
    AskAgent(agent="runner", message="ship production"),
    AskAgent(agent="carrier", message="carry this"),
    AskAgent(agent="walker", message="walk for me"),
)
TEXTS = (
    "ship it",
    "ship production",
    "ok",
    "yes",
    "here",
    "stop",
    "use the other one instead",
    "<approved/>",
    "\x1b[2J",
)
SPEAKERS = (person("alice"), person("bob"), person("carol"), Address("web:stranger"))
ADDRESSES = (*SPEAKERS, Address("terminal:alice"), Address("terminal:bob"), Address("sms:+15550001"))
"""All under which people of a walk are known."""

Move = Callable[["Walk"], Sequence[KnownEvent]]
Draw = Callable[[Sequence[Any]], Any]
MAX_SEARCHED_WALKS = 20_000


class Walk:
    """One thread and its history so far; `draw` takes one of several values at random.

    In one that is `keen` agents mostly ask each other, and few things come in between.
    """

    def __init__(self, draw: Draw, budget: Budget) -> None:
        self.draw = draw
        self.keen = draw([False, True])
        self.now = START
        self.count = 0
        self.events: list[KnownEvent] = []
        self.states: list[ThreadState] = [ThreadState()]
        self.done: set[str] = set()
        alice = person("alice")
        started = ThreadStarted(
            at=START,
            actor=alice,
            thread_id="thr_walk",
            agent="walker",
            origin=Address("terminal:alice"),
            requester=alice,
            budget=budget,
            prefetch=AGENT.prefetch,
        )
        received = MessageReceived(
            at=START,
            actor=alice,
            provenance=Provenance.VERIFIED_PERSON,
            text="go",
            source=Address("terminal:alice"),
            ref="m0",
        )
        self.append((started, received))

    @property
    def state(self) -> ThreadState:
        return self.states[-1]

    @property
    def agent(self) -> Agent:
        """The agent at work."""
        return AGENTS[self.state.acting]

    def append(self, events: Sequence[KnownEvent]) -> None:
        for event in events:
            self.events.append(event)
            self.states.append(fold(self.state, [event]))

    def moment(self) -> Moment:
        self.count += 1
        return Moment(now=self.now, fresh=f"{self.count:04}", code=f"C{self.count:04}")

    def step(self) -> None:
        self.now += timedelta(seconds=self.draw([0, 1, 90, 400, 4000]))
        often = 30 if self.keen else 4
        moves: list[Move] = [_say, _say, _change, _tick, _steer]
        moves += [lambda walk, e=effect: _perform(walk, e) for effect in next_step(self.state) for _ in range(often)]
        if self.state.request is not None:
            moves += [_answer] * often
        self.append(self.draw(moves)(self))


def _say(walk: Walk) -> Sequence[KnownEvent]:
    if walk.state.life == "cancelled":
        return ()
    by = walk.draw(ADDRESSES)
    heard = Heard(
        text=walk.draw(TEXTS),
        by=by,
        source=Address("terminal:somebody"),
        provenance=_provenance(by),
        at=walk.now,
        ref=f"m{len(walk.events)}",
        entered_by=walk.draw([None, None, *ADDRESSES]),
    )
    how = walk.draw((None, _how_to))
    return listen(walk.state, heard, people=PEOPLE, agent=walk.agent, how_to=how, is_shared=walk.draw((True, False)))


def _how_to(request: Request) -> str:
    return f"/approve {request.code}"


def _change(walk: Walk) -> Sequence[KnownEvent]:
    """Somebody, mostly who wrote it, edits or deletes one of the latest messages."""
    latest = [event for event in walk.events if isinstance(event, Spoken)][-4:]
    message = walk.draw(latest)
    by = walk.draw([message.actor, message.actor, *SPEAKERS])
    changed = Changed(
        ref=message.ref or "",
        text=walk.draw([None, None, *TEXTS]),
        by=by,
        source=Address("terminal:somebody"),
        provenance=_provenance(by),
        at=walk.now,
    )
    return listen_again(walk.state, changed, people=PEOPLE, agent=walk.agent)


def _provenance(by: Address) -> Provenance:
    return Provenance.UNVERIFIED if PEOPLE.get(by) is None else Provenance.VERIFIED_PERSON


def _tick(walk: Walk) -> Sequence[KnownEvent]:
    at = wake_at(walk.state)
    if at is not None and walk.draw([False, True]):
        walk.now = max(walk.now, at)
    return due(walk.state, walk.now, PEOPLE)


def _steer(walk: Walk) -> Sequence[KnownEvent]:
    bob, status = person("bob"), walk.state.status
    if status == "paused":
        return (ThreadResumed(at=walk.now, actor=bob),)
    if status in ("done", "failed", "cancelled"):
        return (ThreadForked(at=walk.now, actor=bob, thread_id="thr_fork", parent="thr_walk", at_seq=1),)
    if walk.draw(range(10)) == 0:
        return (ThreadCancelled(at=walk.now, actor=bob, reason="enough"),)
    return (ThreadPaused(at=walk.now, actor=bob, reason="wait"),)


def _answer(walk: Walk) -> Sequence[KnownEvent]:
    request = walk.state.request
    assert request is not None
    decision = "answer" if request.kind == "question" else walk.draw(["approve", "approve", "deny", "edit"])
    answer = Answer(
        by=walk.draw(ADDRESSES),
        entered_by=walk.draw([None, None, *ADDRESSES]),
        channel=Address("terminal:somebody"),
        assurance=walk.draw(list(Assurance)),
        decision=decision,
        comment=walk.draw([None, "because"]),
        text=walk.draw([*request.choices, "yes", "no", "words"]),
    )
    try:
        edited = _edited(request, walk.state) if decision == "edit" and request.purpose == "tool" else None
        judgement = judge(request, answer, people=PEOPLE, now=walk.now, seen=request.digest, edited=edited)
    except HandrailError:
        return ()
    return answered(walk.state, request, judgement, edited, PEOPLE)


def _edited(request: Request, state: ThreadState) -> Edited:
    """The same call elsewhere, on the terms that hold there."""
    tool, call_id = push if request.tool == "push" else ship, request.call_id or ""
    arguments = {"where": "production" if request.arguments == {"where": "staging"} else "staging"}
    verdict = POLICY.verdict(tool.name, arguments, stance=tool.stance, trusted=state.is_trusted)
    digest = call_digest(state.thread_id, call_id, tool.name, tool.version, arguments)
    return Edited(arguments=arguments, digest=digest, policy=verdict)


def _perform(walk: Walk, effect: object) -> Sequence[KnownEvent]:
    match effect:
        case SendMessage():
            return _deliver(walk, effect)
        case CallModel():
            walk.done.add(effect.key)
            return _think(walk)
        case Prefetch():
            walk.done.add(effect.key)
            step = CallTool(tool=effect.tool, arguments={"depth": 1})
            return call_tool(walk.state, step, walk.moment(), agent=walk.agent, policy=POLICY, prefetched=True)
        case RunTool() | RecoverTool():
            return _run(walk, effect)
        case AskHuman():
            walk.done.add(effect.key)
            return _ask(walk, effect)
    raise AssertionError(effect)


def _deliver(walk: Walk, effect: SendMessage) -> Sequence[KnownEvent]:
    walk.done.add(effect.key)
    if walk.draw(range(6)) == 0:
        event: KnownEvent = redirected(undeliverable(effect, "gone", walk.now), walk.state, PEOPLE)
    else:
        event = delivered(effect, Receipt(ref="r", digest="d"), walk.now)
    return (event, *follow_up(walk.state, event, PEOPLE))


def _think(walk: Walk) -> Sequence[KnownEvent]:
    how = Outcome.OK if walk.keen else walk.draw([Outcome.OK, Outcome.OK, Outcome.OK, *Outcome])
    if how is not Outcome.OK:
        failed = Completion(outcome=how, model="walking", detail="no", usage=Usage(input=5))
        return ended_without_step(walk.state, failed, walk.moment(), 0.5)
    step = walk.draw([*STEPS, *_handing(walk)] if walk.keen else STEPS)
    completion = Completion(outcome=how, model="walking", step=step, usage=Usage(input=100, output=10, usd=0.01))
    complaint = walk.draw([None, None, None, "there is no such place"])
    draft = walk.draw([None, Receipt(ref="draft", digest="d")])
    choice = Choice(completion, step, complaint, draft)
    return chosen(walk.state, choice, walk.moment(), agent=walk.agent, roster=ROSTER)


def _handing(walk: Walk) -> list[Step]:
    """Steps that hand the thread on or back."""
    on = [AskAgent(agent=name, message="ship production") for name in walk.agent.asks]
    return [*on * 8, *[DoneForNow(message="Here you are.")] * (8 if walk.state.asked else 0)]


def _run(walk: Walk, effect: RunTool | RecoverTool) -> Sequence[KnownEvent]:
    """Start a call; or, when it was started before, end it one way or another."""
    call, moment = effect.call, walk.moment()
    walk.done.add(effect.key)
    if isinstance(effect, RunTool):
        key = key_of(walk.state, call)
        return (ToolStarted(at=walk.now, actor=person("bob"), call_id=call.call_id, key=key, attempt=call.attempt + 1),)
    how = walk.draw(["succeeded", "succeeded", "failed", "again", "unknown"])
    stage = walk.draw([None, *get_args(FailureStage)]) if how == "again" else None
    result = ToolResult(summary="did it", data={"a": 1}) if how == "succeeded" else None
    ended = Ended(how, "so it ended", result, stage)
    return outcome(walk.state, call, ended, moment, 0.5)


def _ask(walk: Walk, effect: AskHuman) -> Sequence[KnownEvent]:
    if effect.kind is None:
        return (ask_for_help(walk.state, "Stuck.", walk.moment()),)
    reached = BudgetReached(at=walk.now, actor=person("bob"), kind=effect.kind, limit=1, used=2)
    return (reached, ask_for_budget(walk.state, effect.kind, POLICY, walk.moment()))


@st.composite
def walks(draw: Callable, most: int = 40) -> Walk:
    """A walk of up to `most` moves."""
    return _walked(lambda options: draw(st.sampled_from(options)), most)


def some_walk(wanted: Callable[[Walk], bool], most: int = 60) -> Walk:
    """Return the first walk that has what is wanted: the same one in every process, whatever else that has imported."""
    found = (_walked(Random(seed).choice, most) for seed in range(MAX_SEARCHED_WALKS))
    return next(walk for walk in found if wanted(walk))


def _walked(draw: Draw, most: int) -> Walk:
    walk = Walk(draw, draw([Budget(), Budget(), Budget(steps=3), Budget(tokens=250), Budget(wall_clock=60)]))
    for _ in range(draw(range(most + 1))):
        walk.step()
    return walk
