"""From the end of a model call to events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.completion import Completion, Outcome
from agents.events import KnownEvent, ReplyChosen, RequestOpened, StepChosen, StepRejected, ThreadPaused
from agents.interpret import interpret, refused_call
from agents.messages import Provenance, Receipt
from agents.moment import Moment
from agents.opening import agent_address, ask_for_help
from agents.state import ThreadState
from agents.steps import CallTool, Step
from bot.roster import Roster
from bot.running import back_off

MAX_OUTAGE = timedelta(minutes=30)
"""How long a model that does not answer is waited for, whatever processes do the waiting. Then a person is asked."""

ANNOUNCED_AFTER = timedelta(seconds=5)
"""A shorter outage is over before anybody could do something about it."""

MAX_RETRY_INTERVAL_SECONDS = 60.0
_ADVICE = "Check OPENAI_API_KEY and the account at the model's provider"


@dataclass(frozen=True)
class Choice:
    """A call of the model that ended with a step, which may have been prepared since.

    A `complaint` of that, found at `where`, ends a tool call before people are asked. A reply takes the place of its
    `draft`.
    """

    completion: Completion
    step: Step
    complaint: str | None = None
    draft: Receipt | None = None
    where: str | None = None


def chosen(state: ThreadState, choice: Choice, moment: Moment, *, agent: Agent, roster: Roster) -> Sequence[KnownEvent]:
    """The step, and what follows from it."""
    completion, step = choice.completion, choice.step
    event = StepChosen(
        at=moment.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        step=step,
        reasoning=completion.reasoning[:2000],
        model=completion.model,
        prompt_hash=agent.prompt_hash,
        usage=completion.usage,
        based_on=state.version,
    )
    if choice.complaint is not None and isinstance(step, CallTool):
        return (event, refused_call(state, step, choice.complaint, moment, agent=agent, where=choice.where))
    events = interpret(state, step, moment, agent=agent, policy=roster.policy, agents=roster.agents)
    return (event, *(_with_words(e, event, choice) for e in events))


def _with_words(event: KnownEvent, step: StepChosen, choice: Choice) -> KnownEvent:
    """Return the event with where its reply was drafted, or with why the agent wants what it asks for."""
    if isinstance(event, ReplyChosen):
        return event.model_copy(update={"draft": choice.draft})
    if isinstance(event, RequestOpened):
        told = {"reasoning": step.reasoning, "filled_in": _filled_in(choice)}
        return event.model_copy(update={"request": event.request.model_copy(update=told)})
    return event


def _filled_in(choice: Choice) -> tuple[str, ...]:
    """Return the names of arguments whose values come from preparation and not from the model."""
    chosen_step, prepared = choice.completion.step, choice.step
    if not (isinstance(chosen_step, CallTool) and isinstance(prepared, CallTool)):
        return ()
    given = chosen_step.arguments
    return tuple(name for name, value in prepared.arguments.items() if given.get(name) != value)


def ended_without_step(
    state: ThreadState, completion: Completion, moment: Moment, jitter: float
) -> Sequence[KnownEvent]:
    """What goes back to the model is counted, what may work later is tried later, the rest goes to people."""
    outcome = completion.outcome
    if outcome.retryable:
        return _tried_later(state, completion, moment, jitter)
    rejected = _rejected(completion, moment)
    if outcome.repairable:
        return (rejected,)
    if outcome is Outcome.DENIED:
        return (rejected, *_paused(completion, moment))
    return (rejected, ask_for_help(state, f"The model gave no answer: {reason_of(completion)}.", moment))


def reason_of(completion: Completion) -> str:
    """Why a call ended without a step, in words that a person can do something with."""
    detail = completion.detail.rstrip(". ")
    if completion.outcome is Outcome.REFUSED:
        return f"it refused, in its own words: {detail}"
    return detail or str(completion.outcome)


def _tried_later(state: ThreadState, completion: Completion, moment: Moment, jitter: float) -> Sequence[KnownEvent]:
    """Nothing but waiting helps. A person is told once, and asked when it takes too long."""
    since = state.outage.since if state.outage else moment.now
    end = since + MAX_OUTAGE
    asked = completion.retry_after
    retry_at = back_off(state.retries + 1, jitter, moment.now, asked, MAX_RETRY_INTERVAL_SECONDS)
    if asked is None or moment.now + timedelta(seconds=asked) <= end:
        retry_at = min(retry_at, end)
    if moment.now >= end or retry_at > end:
        return (_rejected(completion, moment), _handed_over(state, completion, moment))
    is_told = state.outage is not None and state.outage.announced
    is_long = retry_at - since >= ANNOUNCED_AFTER or completion.outcome is Outcome.TIMEOUT
    announced = is_long and not is_told
    rejected = _rejected(completion, moment, retry_at=retry_at, announced=announced or None)
    return (rejected, _announcement(completion, moment)) if announced else (rejected,)


def _rejected(completion: Completion, moment: Moment, **facts: Any) -> StepRejected:
    return StepRejected(
        at=moment.now,
        actor=ENGINE,
        outcome=completion.outcome,
        detail=completion.detail,
        model=completion.model,
        usage=completion.usage,
        written=completion.written or None,
        **facts,
    )


def _announcement(completion: Completion, moment: Moment) -> ReplyChosen:
    text = (
        f"The model does not answer at the moment ({reason_of(completion)}). I keep trying for up to "
        f"{MAX_OUTAGE.seconds // 60} minutes and go on by myself; you do not need to do anything."
    )
    return ReplyChosen(at=moment.now, actor=ENGINE, text=text)


def _handed_over(state: ThreadState, completion: Completion, moment: Moment) -> KnownEvent:
    waited = round((moment.now - state.outage.since).total_seconds() / 60) if state.outage else 0
    tried = f"I tried for {waited} minutes and the model does not answer" if waited else "The model does not answer"
    later = f" It may be asked again in {round(completion.retry_after / 60)} minutes." if completion.retry_after else ""
    return ask_for_help(state, f"{tried}: {reason_of(completion)}.{later} With your answer I try again.", moment)


def _paused(completion: Completion, moment: Moment) -> Sequence[KnownEvent]:
    """Nothing works before the operator has changed something, so nobody is asked how to go on."""
    reason = f"{reason_of(completion)}. {completion.advice or _ADVICE}, then resume this thread"
    told = ReplyChosen(at=moment.now, actor=ENGINE, text=f"I am paused: {reason}.")
    return (told, ThreadPaused(at=moment.now, actor=ENGINE, reason=reason))
