"""From the end of a model call to events."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.completion import Completion, Outcome
from agents.events import KnownEvent, ReplyChosen, StepChosen, StepRejected, ThreadPaused
from agents.interpret import interpret, refused_call
from agents.messages import Provenance, Receipt
from agents.moment import Moment
from agents.opening import agent_address, ask_for_help
from agents.state import ThreadState
from agents.steps import CallTool, Step
from bot.roster import Roster
from bot.running import back_off

_NO_KEY = (
    "the model's provider refused our key or our quota: check OPENAI_API_KEY and the account, then resume this thread"
)


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
    drafted = {"draft": choice.draft}
    return (event, *(e.model_copy(update=drafted) if isinstance(e, ReplyChosen) else e for e in events))


def ended_without_step(
    state: ThreadState, completion: Completion, moment: Moment, jitter: float
) -> Sequence[KnownEvent]:
    """What goes back to the model is counted, what may work later is tried later, the rest goes to people."""
    outcome = completion.outcome
    retry_at = back_off(state.retries + 1, jitter, moment.now, completion.retry_after) if outcome.retryable else None
    rejected = StepRejected(
        at=moment.now,
        actor=ENGINE,
        outcome=outcome,
        detail=completion.detail,
        model=completion.model,
        usage=completion.usage,
        retry_at=retry_at,
    )
    if outcome.retryable or outcome.repairable:
        return (rejected,)
    if outcome is Outcome.DENIED:
        told = ReplyChosen(at=moment.now, actor=ENGINE, text=f"I am paused: {_NO_KEY}.")
        return (rejected, told, ThreadPaused(at=moment.now, actor=ENGINE, reason=_NO_KEY))
    return (rejected, ask_for_help(state, f"The model would not answer ({outcome}).", moment))
