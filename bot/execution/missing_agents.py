"""Work for an agent that this process does not have, such as one that was removed or renamed by a deploy.

Its thread is paused, so that it is not retried forever and no approved or started call is lost.
"""

from collections.abc import Collection

from agents.core.events import KnownEvent, ReplyChosen, ThreadPaused
from agents.core.next_step import CallModel, Prefetch, RecoverTool, RunTool, WorkEffect
from agents.core.state import ThreadState
from agents.core.values import ENGINE, EventStamp
from agents.core.visible_text import escape_hidden_characters


def missing_agent(effect: WorkEffect, state: ThreadState, known: Collection[str]) -> str | None:
    """Return the name of the agent that the effect needs, if it is not among the known ones.

    Return None for a cancelled thread, which cannot be paused; the outcome of its running call needs no agent.
    """
    name = _required_agent(effect, state)
    return None if name is None or name in known or state.lifecycle == "cancelled" else name


def pause_without_agent(
    name: str, known: Collection[str], state: ThreadState, stamp: EventStamp
) -> tuple[KnownEvent, ...]:
    """Return a reply that says which agent is missing and what to do, and a pause."""
    reason = (
        f"the agent {escape_hidden_characters(name)} does not exist here any more (there are: {', '.join(known)}). "
        f"Ask your operator to add it again under this name, then resume this thread"
    )
    text = f"I am paused: {reason} with `handrail threads resume {state.thread_id}`. Nothing is lost meanwhile."
    reply = ReplyChosen(at=stamp.now, actor=ENGINE, text=text)
    return (reply, ThreadPaused(at=stamp.now, actor=ENGINE, reason=reason))


def _required_agent(effect: WorkEffect, state: ThreadState) -> str | None:
    match effect:
        case CallModel() | Prefetch():
            return state.active_agent
        case RunTool() | RecoverTool():
            return effect.call.agent or state.agent
        case _:
            return None
