"""Convert the result of a model call to events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.events import KnownEvent, ReplyChosen, RequestOpened, StepChosen, StepRejected, ThreadPaused
from agents.core.interpret import events_for_step, rejected_tool_call
from agents.core.messages import Provenance, Receipt
from agents.core.request_factory import agent_address, help_request
from agents.core.state import ThreadState
from agents.core.steps import CallTool, Step
from agents.core.values import ENGINE, EventStamp
from bot.services.retry import next_retry_at
from bot.services.roster import Roster

MAX_MODEL_OUTAGE = timedelta(minutes=30)
"""Time for which calls of an unavailable model are retried, across restarts, before a person is asked for help."""

OUTAGE_NOTICE_DELAY = timedelta(seconds=5)
"""Shorter outages without a timeout are not announced: they end before a person could react."""

MAX_RETRY_INTERVAL_SECONDS = 60.0
_AUTH_FAILED_ADVICE = "Check OPENAI_API_KEY and the account at the model's provider"


@dataclass(frozen=True)
class ChosenStep:
    """A step chosen by the model, with its arguments prepared by the tool.

    `rejection` is the reason why the tool's `prepare` failed, and `rejection_location` the file and line: such a tool
    call is rejected before an approval. `partial_reply_receipt` says where the channel shows the partial reply, which
    the final reply replaces.
    """

    completion: Completion
    step: Step
    rejection: str | None = None
    partial_reply_receipt: Receipt | None = None
    rejection_location: str | None = None


def events_for_completion(
    state: ThreadState, chosen_step: ChosenStep, stamp: EventStamp, *, agent: Agent, roster: Roster
) -> Sequence[KnownEvent]:
    """Return the event of the chosen step and the events that follow from it.

    `roster` has the policy and the agents.
    """
    completion, step = chosen_step.completion, chosen_step.step
    step_event = StepChosen(
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
    if chosen_step.rejection is not None and isinstance(step, CallTool):
        reason, location = chosen_step.rejection, chosen_step.rejection_location
        return (step_event, rejected_tool_call(state, step, reason, stamp, agent=agent, location=location))
    events = events_for_step(state, step, stamp, agent=agent, policy=roster.policy, agents=roster.agents)
    return (step_event, *(_add_step_context(event, step_event, chosen_step) for event in events))


def _add_step_context(event: KnownEvent, step_event: StepChosen, chosen_step: ChosenStep) -> KnownEvent:
    """Add the receipt of the partial reply to a reply, and the reasoning of the agent to a request."""
    if isinstance(event, ReplyChosen):
        return event.model_copy(update={"draft": chosen_step.partial_reply_receipt})
    if isinstance(event, RequestOpened):
        context = {"reasoning": step_event.reasoning, "filled_in": _prepared_argument_names(chosen_step)}
        return event.model_copy(update={"request": event.request.model_copy(update=context)})
    return event


def _prepared_argument_names(chosen_step: ChosenStep) -> tuple[str, ...]:
    """Return the names of arguments whose values come from the tool's `prepare` and not from the model."""
    original, prepared = chosen_step.completion.step, chosen_step.step
    if not (isinstance(original, CallTool) and isinstance(prepared, CallTool)):
        return ()
    return tuple(name for name, value in prepared.arguments.items() if original.arguments.get(name) != value)


def events_for_failed_model_call(
    state: ThreadState, completion: Completion, stamp: EventStamp, jitter: float
) -> Sequence[KnownEvent]:
    """Return the events of a model call that ended without a step.

    A repairable error goes back to the model, an unavailable model is called again later, an authentication error
    pauses the thread, and any other error opens a request for help.
    """
    outcome = completion.outcome
    if outcome.is_retryable:
        return _outage_events(state, completion, stamp, jitter)
    failed_call = _failed_call_event(completion, stamp)
    if outcome.is_repairable:
        return (failed_call,)
    if outcome is CompletionOutcome.AUTH_FAILED:
        return (failed_call, *_pause_events(completion, stamp))
    return (failed_call, help_request(state, f"The model gave no answer: {describe_failure(completion)}.", stamp))


def describe_failure(completion: Completion) -> str:
    """Return why a model call ended without a step, as a text for people."""
    detail = completion.detail.rstrip(". ")
    if completion.outcome is CompletionOutcome.REFUSED:
        return f"it refused with this message: {detail}"
    return detail or str(completion.outcome)


def _outage_events(
    state: ThreadState, completion: Completion, stamp: EventStamp, jitter: float
) -> Sequence[KnownEvent]:
    """Return StepRejected with the time of the next call. After MAX_MODEL_OUTAGE, request help instead.

    An outage of at least OUTAGE_NOTICE_DELAY, or with a timeout, is announced once.
    """
    since = state.outage.since if state.outage else stamp.now
    end = since + MAX_MODEL_OUTAGE
    retry_after = completion.retry_after
    retry_at = next_retry_at(state.retries + 1, jitter, stamp.now, retry_after, MAX_RETRY_INTERVAL_SECONDS)
    if retry_after is None or stamp.now + timedelta(seconds=retry_after) <= end:
        retry_at = min(retry_at, end)
    if stamp.now >= end or retry_at > end:
        return (_failed_call_event(completion, stamp), _outage_help_request(state, completion, stamp))
    is_announced = state.outage is not None and state.outage.is_announced
    is_long = retry_at - since >= OUTAGE_NOTICE_DELAY or completion.outcome is CompletionOutcome.TIMEOUT
    must_announce = is_long and not is_announced
    failed_call = _failed_call_event(completion, stamp, retry_at=retry_at, announced=must_announce or None)
    return (failed_call, _outage_reply(completion, stamp)) if must_announce else (failed_call,)


def _failed_call_event(completion: Completion, stamp: EventStamp, **fields: Any) -> StepRejected:
    """Return StepRejected, which covers every model call without a valid step (ADR 0013)."""
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


def _outage_help_request(state: ThreadState, completion: Completion, stamp: EventStamp) -> KnownEvent:
    waited_minutes = round((stamp.now - state.outage.since).total_seconds() / 60) if state.outage else 0
    problem = (
        f"The model has not responded for {waited_minutes} minutes" if waited_minutes else "The model is not responding"
    )
    retry_minutes = max(1, round((completion.retry_after or 0) / 60))
    limit = f" The model accepts calls again in about {retry_minutes} min." if completion.retry_after else ""
    advice = "Send any answer to this request, and I will call the model again."
    question = f"{problem}: {describe_failure(completion)}.{limit} {advice}"
    return help_request(state, question, stamp)


def _pause_events(completion: Completion, stamp: EventStamp) -> Sequence[KnownEvent]:
    """Return a reply and a pause of the thread: only the operator, by a change of the configuration, can help."""
    reason = (
        f"{describe_failure(completion)}. {completion.operator_hint or _AUTH_FAILED_ADVICE}, then resume this thread"
    )
    reply = ReplyChosen(at=stamp.now, actor=ENGINE, text=f"I am paused: {reason}.")
    return (reply, ThreadPaused(at=stamp.now, actor=ENGINE, reason=reason))
