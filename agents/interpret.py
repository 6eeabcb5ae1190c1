"""From a chosen step to what follows from it: deterministic, outside the model (factors 1, 4 and 8)."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import takewhile
from typing import Any, assert_never

from agents.agent import Agent
from agents.digest import call_digest
from agents.events import (
    KnownEvent,
    MessageReceived,
    NoticeGiven,
    ReplyChosen,
    RequestOpened,
    StepChosen,
    ThreadFinished,
    TimerSet,
    ToolCalled,
    ToolSucceeded,
)
from agents.messages import Provenance
from agents.moment import Moment
from agents.opening import agent_address, ask_for_call, ask_question
from agents.policy import Policy, Verdict
from agents.schema import ASK_AGENT
from agents.state import OpenCall, ThreadState
from agents.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.tools import Tool

TOLD_WAIT_SECONDS = 60
_PEOPLE = (Provenance.VERIFIED_PERSON, Provenance.UNVERIFIED)


def interpret(
    state: ThreadState, step: Step, moment: Moment, *, agent: Agent, policy: Policy, agents: Mapping[str, Agent]
) -> tuple[KnownEvent, ...]:
    """The events that follow a step. A tool's arguments have been prepared already; nothing runs here.

    `agents` are all there are, by name.
    """
    match step:
        case CallTool():
            return call_tool(state, step, moment, agent=agent, policy=policy)
        case RequestHumanInput():
            return (ask_question(state, step, moment),)
        case AskAgent():
            return (_ask_agent(state, step, moment, agent, agents),)
        case DoneForNow() | NothingToDo():
            return _answered(state, step, moment) if state.asked else _rested(state, step, moment)
        case Await():
            return _awaited(state, step, moment)
        case _:
            assert_never(step)


def call_tool(
    state: ThreadState, step: CallTool, moment: Moment, *, agent: Agent, policy: Policy, prefetched: bool = False
) -> tuple[KnownEvent, ...]:
    """The call with policy's verdict on it and, where people are to be asked, the request."""
    tool = agent.tool(step.tool)
    verdict = policy.verdict(step.tool, step.arguments, stance=tool.stance if tool else None, trusted=state.is_trusted)
    called = _called(state, step, verdict, moment, tool=tool, prefetched=prefetched)
    return (called, *_asked(state, called, verdict, moment))


def refused_call(
    state: ThreadState, step: CallTool, reason: str, moment: Moment, *, agent: Agent, where: str | None = None
) -> ToolCalled:
    """A call that makes no sense, as its own preparation found at `where`: nothing is asked and nothing runs."""
    verdict = Verdict(answer="deny", rule="preparation", reason=reason)
    called = _called(state, step, verdict, moment, tool=agent.tool(step.tool))
    return called.model_copy(update={"where": where})


def refused_prefetch(state: ThreadState, step: CallTool, reason: str, moment: Moment, *, agent: Agent) -> ToolCalled:
    """A prefetch that makes no sense; the thread goes on without it."""
    return refused_call(state, step, reason, moment, agent=agent).model_copy(update={"prefetched": True})


def _ask_agent(
    state: ThreadState, step: AskAgent, moment: Moment, agent: Agent, agents: Mapping[str, Agent]
) -> ToolCalled:
    """Asking is no act: what the other one does passes policy as ever. Who waits for an answer cannot be asked."""
    complaint = _objection(state, step.agent, agent, agents)
    call = CallTool(tool=ASK_AGENT, arguments={"agent": step.agent, "message": step.message})
    if complaint is not None:
        return refused_call(state, call, complaint, moment, agent=agent)
    allowed = Verdict(answer="allow", rule="asking is no act")
    called = _called(state, call, allowed, moment, tool=None)
    return called.model_copy(update={"effect": "read", "prefetch": agents[step.agent].prefetch})


def _objection(state: ThreadState, asked: str, agent: Agent, agents: Mapping[str, Agent]) -> str | None:
    if asked not in agent.asks or asked not in agents:
        return f"{agent.name} may not ask {asked}"
    if asked in (state.agent, *(earlier.agent for earlier in state.asked)):
        return f"{asked} waits for an answer itself, so it cannot be asked now"
    return None


def _answered(state: ThreadState, step: DoneForNow | NothingToDo, moment: Moment) -> tuple[KnownEvent, ...]:
    """The last word of an asked agent goes to the one that asked, not to people."""
    words = step.message if isinstance(step, DoneForNow) else step.reason
    answer = ToolSucceeded(
        at=moment.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=state.asked[-1].call_id,
        summary=words,
        trusted=state.is_trusted,
    )
    return (answer,)


def _rested(state: ThreadState, step: DoneForNow | NothingToDo, moment: Moment) -> tuple[KnownEvent, ...]:
    """A person who is owed an answer gets one, also where the agent finds nothing to do."""
    actor = agent_address(state)
    if isinstance(step, DoneForNow):
        reply = _reply(state, step.message, moment)
        return (reply, ThreadFinished(at=moment.now, actor=actor, reason="done for now"))
    finished = ThreadFinished(at=moment.now, actor=actor, reason=step.reason)
    if not _owes_answer(state):
        return (finished,)
    return (_reply(state, f"There is nothing for me to do here: {step.reason.strip() or 'no reason given'}", moment),
            finished)  # fmt: skip


def _awaited(state: ThreadState, step: Await, moment: Moment) -> tuple[KnownEvent, ...]:
    """Return the timer, and a notice of the first wait that is long for a person who is owed an answer."""
    fires_at = moment.now + timedelta(seconds=step.seconds)
    timer = TimerSet(at=moment.now, actor=agent_address(state), fires_at=fires_at, reason=step.reason)
    if step.seconds < TOLD_WAIT_SECONDS or state.asked or not _owes_answer(state) or _has_waited(state):
        return (timer,)
    text = f"I wait until {fires_at:%Y-%m-%d %H:%M} UTC and then go on: {step.reason.strip() or 'no reason given'}"
    return (NoticeGiven(at=moment.now, actor=agent_address(state), text=text), timer)


def _reply(state: ThreadState, text: str, moment: Moment) -> ReplyChosen:
    return ReplyChosen(at=moment.now, actor=agent_address(state), provenance=Provenance.MODEL, text=text)


def _owes_answer(state: ThreadState) -> bool:
    """Whether a person said something and was told nothing since."""
    last = next((e for e in reversed(state.recent) if isinstance(e, MessageReceived | ReplyChosen)), None)
    return isinstance(last, MessageReceived) and last.provenance in _PEOPLE


def _has_waited(state: ThreadState) -> bool:
    """Return whether the agent chose to wait since a person last said something."""
    since = takewhile(lambda event: not isinstance(event, MessageReceived), reversed(state.recent))
    return any(isinstance(event, StepChosen) and isinstance(event.step, Await) for event in since)


def _called(
    state: ThreadState, step: CallTool, verdict: Verdict, moment: Moment, *, tool: Tool | None, prefetched: bool = False
) -> ToolCalled:
    call_id = f"call_{moment.fresh}"
    version = tool.version if tool else 0
    return ToolCalled(
        at=moment.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=call_id,
        tool=step.tool,
        tool_version=version,
        effect=tool.stance.effect if tool else "once",
        arguments=step.arguments,
        digest=call_digest(state.thread_id, call_id, step.tool, version, step.arguments),
        verdict=verdict.model_copy(update={"ask": None}),  # the terms are in the request
        prefetched=prefetched,
        trusted=tool is None or tool.prepare is None or tool.trusted_results,
    )


def _asked(state: ThreadState, called: ToolCalled, verdict: Verdict, moment: Moment) -> tuple[RequestOpened, ...]:
    if verdict.answer != "ask":
        return ()
    facts: dict[str, Any] = called.model_dump(
        include={"call_id", "tool", "tool_version", "effect", "arguments", "digest"}
    )
    return (ask_for_call(state, OpenCall(**facts, phase="asked"), verdict, moment),)
