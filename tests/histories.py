"""Random valid histories of a thread, produced by the functions that the bot uses."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated, Any, get_args

from hypothesis import strategies as st
from pydantic import Field

from agents.core.agent import Agent
from agents.core.canonical_json import call_digest
from agents.core.commands import Command, Commands
from agents.core.completion import Budget, Completion, CompletionOutcome, Usage
from agents.core.deadlines import due_events, next_deadline
from agents.core.decisions import EditedCall, evaluate_answer
from agents.core.errors import HandrailError
from agents.core.escalation import escalation_follow_ups
from agents.core.event_base import FailureStage
from agents.core.events import (
    BudgetReached,
    KnownEvent,
    MessageEvent,
    MessageReceived,
    ThreadCancelled,
    ThreadForked,
    ThreadPaused,
    ThreadResumed,
    ThreadStarted,
    ToolStarted,
)
from agents.core.interpret import events_for_tool_call
from agents.core.message_rules import events_for_edit, events_for_message
from agents.core.messages import Assurance, IncomingEdit, IncomingMessage, Provenance, Receipt
from agents.core.next_step import (
    AskHuman,
    CallModel,
    Effect,
    Prefetch,
    RecoverTool,
    RunTool,
    SendMessage,
    next_work,
    pending_sends,
)
from agents.core.policy import ApprovalTerms, EscalationStep, Policy, Rule
from agents.core.reducer import fold
from agents.core.request_factory import budget_request, help_request
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import Address, EventStamp
from bot.execution.model_calls import ChosenStep, events_for_completion, events_for_failed_model_call
from bot.execution.tools.outcomes import idempotency_key, outcome_events
from bot.execution.tools.runner import ToolOutcome
from bot.services.approvals import answer_events
from bot.services.delivery_events import sent_event, undeliverable_event, with_alternative_address
from bot.services.roster import Roster
from tests.harness import people
from tests.harness.people import ALICE, BOB, CAROL, STRANGER, with_addresses, with_roles

START_TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CAROL_PHONE = Address("sms:+15550001")
PEOPLE = with_addresses(
    with_roles(people.PEOPLE, carol=("release", "oncall")),
    alice=("terminal:alice", "email:alice@example.com"),
    bob=("terminal:bob", "web:bob"),
    carol=(CAROL_PHONE,),
)
"""The people of all tests; here Carol is also on call and has a phone."""

ESCALATING_TERMS = ApprovalTerms(
    roles=("release",),
    quorum=2,
    expires=1800,
    remind=(300, 600),
    escalate=(EscalationStep(after=900, to=Address("role:oncall"), via="sms"),),
)


@tool(effect="read")
def look(context: ToolContext, depth: Annotated[int, Field(ge=0)] = 1) -> ToolResult:
    """Look around."""
    return ToolResult(summary=f"saw {depth}", data={"depth": depth})


@tool(effect="once", risk="high", ask=ApprovalTerms(roles=("release",), on_expire="hold"))
def push(context: ToolContext, where: str) -> ToolResult:
    """Push once."""
    return ToolResult(summary=f"pushed {where}")


@tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",), on_expire="halt"))
def ship(context: ToolContext, where: str) -> ToolResult:
    """Ship, safe to repeat."""
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
"""The thread's own agent, its delegate, and the delegate's delegate. Both delegates may also ask the first agent."""

POLICY = Policy(
    people=PEOPLE,
    rules=(
        Rule(name="production", tool="ship", when={"where": "production"}, ask=ESCALATING_TERMS),
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
DEFAULT_ADDRESSES = (ALICE, BOB, CAROL, STRANGER)
"""One address for each known person, and that of a stranger."""
ADDRESSES = (*DEFAULT_ADDRESSES, Address("terminal:alice"), Address("terminal:bob"), CAROL_PHONE)
"""All addresses of people in a history."""

Move = Callable[["RandomHistory"], Sequence[KnownEvent]]
"""Function that returns the events of one thing that may happen next in a history."""
Choose = Callable[[Sequence[Any]], Any]
"""Function that returns one of several values at random."""
MAX_SEARCHED_HISTORIES = 20_000


class RandomHistory:
    """One thread and its history so far; `choose` returns one of several values at random.

    If `is_mostly_delegating`, agents mostly ask each other and other events are rare.
    """

    def __init__(self, choose: Choose, budget: Budget) -> None:
        self.choose = choose
        self.is_mostly_delegating = choose([False, True])
        self.now = START_TIME
        self.stamp_count = 0
        self.events: list[KnownEvent] = []
        self.states: list[ThreadState] = [ThreadState()]
        self.completed_keys: set[str] = set()
        started = ThreadStarted(
            at=START_TIME,
            actor=ALICE,
            thread_id="thr_walk",
            agent="walker",
            origin=Address("terminal:alice"),
            requester=ALICE,
            budget=budget,
            prefetch=AGENT.prefetch,
        )
        received = MessageReceived(
            at=START_TIME,
            actor=ALICE,
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
        """The active agent."""
        return AGENTS[self.state.active_agent]

    def append(self, events: Sequence[KnownEvent]) -> None:
        for event in events:
            self.events.append(event)
            self.states.append(fold(self.state, [event]))

    def new_stamp(self) -> EventStamp:
        self.stamp_count += 1
        return EventStamp(now=self.now, new_id=f"{self.stamp_count:04}", new_code=f"C{self.stamp_count:04}")

    def apply_random_move(self) -> None:
        self.now += timedelta(seconds=self.choose([0, 1, 90, 400, 4000]))
        weight = 30 if self.is_mostly_delegating else 4
        moves: list[Move] = [_post_message, _post_message, _edit_message, _fire_timers, _control_thread]
        moves += [
            lambda history, effect=effect: _execute(history, effect)
            for effect in wanted_effects(self.state)
            for _ in range(weight)
        ]
        if self.state.open_request is not None:
            moves += [_answer_request] * weight
        self.append(self.choose(moves)(self))


def wanted_effects(state: ThreadState) -> tuple[Effect, ...]:
    """Return all effects that a state wants: the messages to send, then at most one piece of work."""
    return (*pending_sends(state), *next_work(state))


def _post_message(history: RandomHistory) -> Sequence[KnownEvent]:
    if history.state.lifecycle == "cancelled":
        return ()
    by = history.choose(ADDRESSES)
    message = IncomingMessage(
        text=history.choose(TEXTS),
        by=by,
        source=Address("terminal:user"),
        provenance=_provenance(by),
        at=history.now,
        ref=f"m{len(history.events)}",
        entered_by=history.choose([None, None, *ADDRESSES]),
    )
    instructions = history.choose((None, _answer_instructions))
    return events_for_message(
        history.state,
        message,
        people=PEOPLE,
        agent=history.agent,
        answer_instructions=instructions,
        is_shared=history.choose((True, False)),
    )


def _answer_instructions(request: Request) -> str:
    return f"/approve {request.code}"


def _edit_message(history: RandomHistory) -> Sequence[KnownEvent]:
    """Edit or delete one of the latest messages, mostly by its author."""
    latest = [event for event in history.events if isinstance(event, MessageEvent)][-4:]
    message = history.choose(latest)
    by = history.choose([message.actor, message.actor, *DEFAULT_ADDRESSES])
    edit = IncomingEdit(
        ref=message.ref or "",
        text=history.choose([None, None, *TEXTS]),
        by=by,
        source=Address("terminal:user"),
        provenance=_provenance(by),
        at=history.now,
    )
    return events_for_edit(history.state, edit, people=PEOPLE, agent=history.agent)


def _provenance(by: Address) -> Provenance:
    return Provenance.UNVERIFIED if PEOPLE.get(by) is None else Provenance.VERIFIED_PERSON


def _fire_timers(history: RandomHistory) -> Sequence[KnownEvent]:
    deadline = next_deadline(history.state)
    if deadline is not None and history.choose([False, True]):
        history.now = max(history.now, deadline)
    return due_events(history.state, history.now, PEOPLE)


def _control_thread(history: RandomHistory) -> Sequence[KnownEvent]:
    status = history.state.status
    if status == "paused":
        return (ThreadResumed(at=history.now, actor=BOB),)
    if status in ("done", "failed", "cancelled"):  # from here on the history is that of a fork
        return (ThreadForked(at=history.now, actor=BOB, thread_id="thr_fork", parent="thr_walk", at_seq=1),)
    if history.choose(range(10)) == 0:
        return (ThreadCancelled(at=history.now, actor=BOB, reason="enough"),)
    return (ThreadPaused(at=history.now, actor=BOB, reason="wait"),)


def _answer_request(history: RandomHistory) -> Sequence[KnownEvent]:
    request = history.state.open_request
    assert request is not None
    decision = "answer" if request.kind == "question" else history.choose(["approve", "approve", "deny", "edit"])
    answer = Answer(
        by=history.choose(ADDRESSES),
        entered_by=history.choose([None, None, *ADDRESSES]),
        channel=Address("terminal:user"),
        assurance=history.choose(list(Assurance)),
        decision=decision,
        comment=history.choose([None, "because"]),
        text=history.choose([*request.choices, "yes", "no", "words"]),
    )
    try:
        edited = _edited_call(request, history.state) if decision == "edit" and request.purpose == "tool" else None
        evaluation = evaluate_answer(
            request, answer, people=PEOPLE, now=history.now, shown_digest=request.digest, edited_call=edited
        )
    except HandrailError:
        return ()
    return answer_events(history.state, request, evaluation, edited, PEOPLE)


def _edited_call(request: Request, state: ThreadState) -> EditedCall:
    """Return the call with another target and the policy decision on it."""
    tool, call_id = push if request.tool == "push" else ship, request.call_id or ""
    arguments = {"where": "production" if request.arguments == {"where": "staging"} else "staging"}
    verdict = POLICY.evaluate(tool.name, arguments, defaults=tool.defaults, is_trusted=state.is_trusted)
    digest = call_digest(state.thread_id, call_id, tool.name, tool.version, arguments)
    return EditedCall(arguments=arguments, digest=digest, policy=verdict)


def _execute(history: RandomHistory, effect: object) -> Sequence[KnownEvent]:
    match effect:
        case SendMessage():
            return _deliver(history, effect)
        case CallModel():
            history.completed_keys.add(effect.key)
            return _call_model(history)
        case Prefetch():
            history.completed_keys.add(effect.key)
            step = CallTool(tool=effect.tool, arguments={"depth": 1})
            return events_for_tool_call(
                history.state, step, history.new_stamp(), agent=history.agent, policy=POLICY, is_prefetch=True
            )
        case RunTool() | RecoverTool():
            return _run_tool(history, effect)
        case AskHuman():
            history.completed_keys.add(effect.key)
            return _ask_human(history, effect)
    raise AssertionError(effect)


def _deliver(history: RandomHistory, effect: SendMessage) -> Sequence[KnownEvent]:
    history.completed_keys.add(effect.key)
    if history.choose(range(6)) == 0:
        event: KnownEvent = with_alternative_address(
            undeliverable_event(effect, "gone", history.now), history.state, PEOPLE
        )
    else:
        event = sent_event(effect, Receipt(ref="r", digest="d"), history.now)
    return (event, *escalation_follow_ups(history.state, event, PEOPLE))


def _call_model(history: RandomHistory) -> Sequence[KnownEvent]:
    outcome = (
        CompletionOutcome.OK
        if history.is_mostly_delegating
        else history.choose([CompletionOutcome.OK, CompletionOutcome.OK, CompletionOutcome.OK, *CompletionOutcome])
    )
    if outcome is not CompletionOutcome.OK:
        failed = Completion(outcome=outcome, model="walking", detail="no", usage=Usage(input=5))
        return events_for_failed_model_call(history.state, failed, history.new_stamp(), jitter=0.5)
    step = history.choose([*STEPS, *_delegation_steps(history)] if history.is_mostly_delegating else STEPS)
    completion = Completion(outcome=outcome, model="walking", step=step, usage=Usage(input=100, output=10, usd=0.01))
    problem = history.choose([None, None, None, "there is no such place"])
    draft = history.choose([None, Receipt(ref="draft", digest="d")])
    choice = ChosenStep(completion, step, problem, draft)
    return events_for_completion(history.state, choice, history.new_stamp(), agent=history.agent, roster=ROSTER)


def _delegation_steps(history: RandomHistory) -> list[Step]:
    """Return steps that delegate or finish a delegation."""
    delegating = [AskAgent(agent=name, message="ship production") for name in history.agent.asks]
    return [*delegating * 8, *[DoneForNow(message="Here you are.")] * (8 if history.state.delegations else 0)]


def _run_tool(history: RandomHistory, effect: RunTool | RecoverTool) -> Sequence[KnownEvent]:
    """Start a call, or give a started call a random outcome."""
    call, stamp = effect.call, history.new_stamp()
    history.completed_keys.add(effect.key)
    if isinstance(effect, RunTool):
        key = idempotency_key(history.state, call)
        return (ToolStarted(at=history.now, actor=BOB, call_id=call.call_id, key=key, attempt=call.attempt + 1),)
    status = history.choose(["succeeded", "succeeded", "failed", "retry", "unknown"])
    stage = history.choose([None, *get_args(FailureStage)]) if status == "retry" else None
    result = ToolResult(summary="did it", data={"a": 1}) if status == "succeeded" else None
    tool_outcome = ToolOutcome(status, "so it ended", result, stage)
    return outcome_events(history.state, call, tool_outcome, stamp, jitter=0.5)


def _ask_human(history: RandomHistory, effect: AskHuman) -> Sequence[KnownEvent]:
    if effect.kind is None:
        return (help_request(history.state, "Stuck.", history.new_stamp()),)
    reached = BudgetReached(at=history.now, actor=BOB, kind=effect.kind, limit=1, used=2)
    return (reached, budget_request(history.state, effect.kind, POLICY, history.new_stamp()))


@st.composite
def random_histories(draw: Callable, max_moves: int = 40) -> RandomHistory:
    """Return a history of up to `max_moves` moves."""
    return _build_history(lambda options: draw(st.sampled_from(options)), max_moves)


def find_history(predicate: Callable[[RandomHistory], bool], max_moves: int = 60) -> RandomHistory:
    """Return the first history that matches. The search is seeded, so the result is the same in every process."""
    found = (_build_history(Random(seed).choice, max_moves) for seed in range(MAX_SEARCHED_HISTORIES))
    match = next((history for history in found if predicate(history)), None)
    assert match is not None, f"no history matches in {MAX_SEARCHED_HISTORIES} seeds"
    return match


def _build_history(choose: Choose, max_moves: int) -> RandomHistory:
    history = RandomHistory(
        choose, choose([Budget(), Budget(), Budget(steps=3), Budget(tokens=250), Budget(wall_clock=60)])
    )
    for _ in range(choose(range(max_moves + 1))):
        history.apply_random_move()
    return history
