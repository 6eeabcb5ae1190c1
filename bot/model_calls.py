"""Convert the result of a model call to events."""

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
"""Time for which an unavailable model is retried, across restarts. Then a person is asked."""

OUTAGE_NOTICE_DELAY = timedelta(seconds=5)
"""Shorter outages are not announced: they end before a person could react."""

MAX_RETRY_INTERVAL_SECONDS = 60.0
_AUTH_FAILED_ADVICE = "Check OPENAI_API_KEY and the account at the model's provider"


@dataclass(frozen=True)
class ChosenStep:
    """A step chosen by the model, with its arguments prepared by the tool.

    `rejection` is why the preparation failed, at file and line `where`; the call is then rejected before an approval.
    `partial_reply_receipt` is where the channel shows the partial reply, which the final reply replaces.
    """

    completion: Completion
    step: Step
    rejection: str | None = None
    partial_reply_receipt: Receipt | None = None
    where: str | None = None


def events_for_completion(
    state: ThreadState, choice: ChosenStep, stamp: EventStamp, *, agent: Agent, roster: Roster
) -> Sequence[KnownEvent]:
    """Return the chosen step and the events that follow from it."""
    completion, step = choice.completion, choice.step
    event = StepChosen(
        at=stamp.now,
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
        return (event, rejected_call(state, step, choice.rejection, stamp, agent=agent, location=choice.where))
    events = events_for_step(state, step, stamp, agent=agent, policy=roster.policy, agents=roster.agents)
    return (event, *(_with_step_context(e, event, choice) for e in events))


def _with_step_context(event: KnownEvent, step: StepChosen, choice: ChosenStep) -> KnownEvent:
    """Add to a reply where its partial reply is shown, and to a request the reasoning of the agent."""
    if isinstance(event, ReplyChosen):
        return event.model_copy(update={"draft": choice.partial_reply_receipt})
    if isinstance(event, RequestOpened):
        context = {"reasoning": step.reasoning, "filled_in": _prepared_argument_names(choice)}
        return event.model_copy(update={"request": event.request.model_copy(update=context)})
    return event


def _prepared_argument_names(choice: ChosenStep) -> tuple[str, ...]:
    """Return the names of arguments whose values come from preparation and not from the model."""
    chosen_step, prepared = choice.completion.step, choice.step
    if not (isinstance(chosen_step, CallTool) and isinstance(prepared, CallTool)):
        return ()
    given = chosen_step.arguments
    return tuple(name for name, value in prepared.arguments.items() if given.get(name) != value)


def events_for_failed_call(
    state: ThreadState, completion: Completion, stamp: EventStamp, jitter: float
) -> Sequence[KnownEvent]:
    """Return the events of a model call without a step.

    A repairable error goes back to the model, an outage is retried later, an authentication error pauses the thread,
    and any other error is put to a person.
    """
    outcome = completion.outcome
    if outcome.is_retryable:
        return _retry_or_ask(state, completion, stamp, jitter)
    rejected = _step_rejected(completion, stamp)
    if outcome.is_repairable:
        return (rejected,)
    if outcome is CompletionOutcome.AUTH_FAILED:
        return (rejected, *_pause_events(completion, stamp))
    return (rejected, help_request(state, f"The model gave no answer: {describe_failure(completion)}.", stamp))


def describe_failure(completion: Completion) -> str:
    """Return why a call ended without a step, as a person should read it."""
    detail = completion.detail.rstrip(". ")
    if completion.outcome is CompletionOutcome.REFUSED:
        return f"it refused with this message: {detail}"
    return detail or str(completion.outcome)


def _retry_or_ask(state: ThreadState, completion: Completion, stamp: EventStamp, jitter: float) -> Sequence[KnownEvent]:
    """Retry an unavailable model later. Announce a longer outage once; ask a person after MAX_MODEL_OUTAGE."""
    since = state.outage.since if state.outage else stamp.now
    end = since + MAX_MODEL_OUTAGE
    retry_after = completion.retry_after
    retry_at = next_retry_at(state.retries + 1, jitter, stamp.now, retry_after, MAX_RETRY_INTERVAL_SECONDS)
    if retry_after is None or stamp.now + timedelta(seconds=retry_after) <= end:
        retry_at = min(retry_at, end)
    if stamp.now >= end or retry_at > end:
        return (_step_rejected(completion, stamp), _help_request(state, completion, stamp))
    is_announced = state.outage is not None and state.outage.is_announced
    is_long = retry_at - since >= OUTAGE_NOTICE_DELAY or completion.outcome is CompletionOutcome.TIMEOUT
    must_announce = is_long and not is_announced
    rejected = _step_rejected(completion, stamp, retry_at=retry_at, announced=must_announce or None)
    return (rejected, _outage_reply(completion, stamp)) if must_announce else (rejected,)


def _step_rejected(completion: Completion, stamp: EventStamp, **fields: Any) -> StepRejected:
    return StepRejected(
        at=stamp.now,
        actor=ENGINE,
        outcome=completion.outcome,
        detail=completion.detail,
        model=completion.model,
        usage=completion.usage,
        written=completion.rejected_text or None,
        **fields,
    )


def _outage_reply(completion: Completion, stamp: EventStamp) -> ReplyChosen:
    text = (
        f"The model is not responding ({describe_failure(completion)}). I will keep trying for up to "
        f"{MAX_MODEL_OUTAGE.seconds // 60} minutes and continue automatically; you do not need to do anything."
    )
    return ReplyChosen(at=stamp.now, actor=ENGINE, text=text)


def _help_request(state: ThreadState, completion: Completion, stamp: EventStamp) -> KnownEvent:
    waited = round((stamp.now - state.outage.since).total_seconds() / 60) if state.outage else 0
    problem = f"The model has not responded for {waited} minutes" if waited else "The model is not responding"
    wait_minutes = max(1, round((completion.retry_after or 0) / 60))
    later = f" It can be called again in about {wait_minutes} min." if completion.retry_after else ""
    question = f"{problem}: {describe_failure(completion)}.{later} Answer this request and I will try again."
    return help_request(state, question, stamp)


def _pause_events(completion: Completion, stamp: EventStamp) -> Sequence[KnownEvent]:
    """Pause the thread. A person in it could not help: the operator has to change the configuration first."""
    reason = (
        f"{describe_failure(completion)}. {completion.operator_hint or _AUTH_FAILED_ADVICE}, then resume this thread"
    )
    reply = ReplyChosen(at=stamp.now, actor=ENGINE, text=f"I am paused: {reason}.")
    return (reply, ThreadPaused(at=stamp.now, actor=ENGINE, reason=reason))
