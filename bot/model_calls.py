"""From the end of a model call to events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.completion import Completion, CompletionOutcome
from agents.event_stamp import EventStamp
from agents.events import KnownEvent, ReplyChosen, RequestOpened, StepChosen, StepRejected, ThreadPaused
from agents.interpret import events_for_step, rejected_call
from agents.messages import Provenance, Receipt
from agents.request_factory import agent_address, help_request
from agents.state import ThreadState
from agents.steps import CallTool, Step
from bot.roster import Roster
from bot.tool_runner import next_retry_at

MAX_MODEL_OUTAGE = timedelta(minutes=30)
"""How long a model that does not answer is waited for, whatever processes do the waiting. Then a person is asked."""

OUTAGE_NOTICE_DELAY = timedelta(seconds=5)
"""A shorter outage is over before anybody could do something about it."""

MAX_RETRY_INTERVAL_SECONDS = 60.0
_AUTH_FAILED_ADVICE = "Check OPENAI_API_KEY and the account at the model's provider"


@dataclass(frozen=True)
class ChosenStep:
    """A call of the model that ended with a step, which may have been prepared since.

    A `complaint` of that, found at `where`, ends a tool call before people are asked. A reply takes the place of its
    `draft`.
    """

    completion: Completion
    step: Step
    rejection: str | None = None
    partial_reply_receipt: Receipt | None = None
    where: str | None = None


def events_for_completion(
    state: ThreadState, choice: ChosenStep, moment: EventStamp, *, agent: Agent, roster: Roster
) -> Sequence[KnownEvent]:
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
    if choice.rejection is not None and isinstance(step, CallTool):
        return (event, rejected_call(state, step, choice.rejection, moment, agent=agent, location=choice.where))
    events = events_for_step(state, step, moment, agent=agent, policy=roster.policy, agents=roster.agents)
    return (event, *(_with_step_context(e, event, choice) for e in events))


def _with_step_context(event: KnownEvent, step: StepChosen, choice: ChosenStep) -> KnownEvent:
    """Return the event with where its reply was drafted, or with why the agent wants what it asks for."""
    if isinstance(event, ReplyChosen):
        return event.model_copy(update={"draft": choice.partial_reply_receipt})
    if isinstance(event, RequestOpened):
        told = {"reasoning": step.reasoning, "filled_in": _prepared_argument_names(choice)}
        return event.model_copy(update={"request": event.request.model_copy(update=told)})
    return event


def _prepared_argument_names(choice: ChosenStep) -> tuple[str, ...]:
    """Return the names of arguments whose values come from preparation and not from the model."""
    chosen_step, prepared = choice.completion.step, choice.step
    if not (isinstance(chosen_step, CallTool) and isinstance(prepared, CallTool)):
        return ()
    given = chosen_step.arguments
    return tuple(name for name, value in prepared.arguments.items() if given.get(name) != value)


def events_for_failed_call(
    state: ThreadState, completion: Completion, moment: EventStamp, jitter: float
) -> Sequence[KnownEvent]:
    """What goes back to the model is counted, what may work later is tried later, the rest goes to people."""
    outcome = completion.outcome
    if outcome.is_retryable:
        return _retry_or_ask(state, completion, moment, jitter)
    rejected = _step_rejected(completion, moment)
    if outcome.is_repairable:
        return (rejected,)
    if outcome is CompletionOutcome.AUTH_FAILED:
        return (rejected, *_pause_events(completion, moment))
    return (rejected, help_request(state, f"The model gave no answer: {describe_failure(completion)}.", moment))


def describe_failure(completion: Completion) -> str:
    """Why a call ended without a step, in words that a person can do something with."""
    detail = completion.detail.rstrip(". ")
    if completion.outcome is CompletionOutcome.REFUSED:
        return f"it refused, in its own words: {detail}"
    return detail or str(completion.outcome)


def _retry_or_ask(
    state: ThreadState, completion: Completion, moment: EventStamp, jitter: float
) -> Sequence[KnownEvent]:
    """Nothing but waiting helps. A person is told once, and asked when it takes too long."""
    since = state.outage.since if state.outage else moment.now
    end = since + MAX_MODEL_OUTAGE
    asked = completion.retry_after
    retry_at = next_retry_at(state.retries + 1, jitter, moment.now, asked, MAX_RETRY_INTERVAL_SECONDS)
    if asked is None or moment.now + timedelta(seconds=asked) <= end:
        retry_at = min(retry_at, end)
    if moment.now >= end or retry_at > end:
        return (_step_rejected(completion, moment), _help_request(state, completion, moment))
    is_told = state.outage is not None and state.outage.is_announced
    is_long = retry_at - since >= OUTAGE_NOTICE_DELAY or completion.outcome is CompletionOutcome.TIMEOUT
    announced = is_long and not is_told
    rejected = _step_rejected(completion, moment, retry_at=retry_at, announced=announced or None)
    return (rejected, _outage_reply(completion, moment)) if announced else (rejected,)


def _step_rejected(completion: Completion, moment: EventStamp, **fields: Any) -> StepRejected:
    return StepRejected(
        at=moment.now,
        actor=ENGINE,
        outcome=completion.outcome,
        detail=completion.detail,
        model=completion.model,
        usage=completion.usage,
        written=completion.rejected_text or None,
        **fields,
    )


def _outage_reply(completion: Completion, moment: EventStamp) -> ReplyChosen:
    text = (
        f"The model does not answer at the moment ({describe_failure(completion)}). I keep trying for up to "
        f"{MAX_MODEL_OUTAGE.seconds // 60} minutes and go on by myself; you do not need to do anything."
    )
    return ReplyChosen(at=moment.now, actor=ENGINE, text=text)


def _help_request(state: ThreadState, completion: Completion, moment: EventStamp) -> KnownEvent:
    waited = round((moment.now - state.outage.since).total_seconds() / 60) if state.outage else 0
    tried = f"I tried for {waited} minutes and the model does not answer" if waited else "The model does not answer"
    later = f" It may be asked again in {round(completion.retry_after / 60)} minutes." if completion.retry_after else ""
    return help_request(state, f"{tried}: {describe_failure(completion)}.{later} With your answer I try again.", moment)


def _pause_events(completion: Completion, moment: EventStamp) -> Sequence[KnownEvent]:
    """Nothing works before the operator has changed something, so nobody is asked how to go on."""
    reason = (
        f"{describe_failure(completion)}. {completion.operator_hint or _AUTH_FAILED_ADVICE}, then resume this thread"
    )
    told = ReplyChosen(at=moment.now, actor=ENGINE, text=f"I am paused: {reason}.")
    return (told, ThreadPaused(at=moment.now, actor=ENGINE, reason=reason))
