"""Work for an agent that this process does not have, such as one that was removed or renamed by a deploy.

Its thread is paused: nothing is tried again and again, and nothing that was approved or started is lost.
"""

from collections.abc import Collection

from agents.addresses import ENGINE
from agents.effects import CallModel, Prefetch, RecoverTool, RunTool, WorkEffect
from agents.event_stamp import EventStamp
from agents.events import KnownEvent, ReplyChosen, ThreadPaused
from agents.state import ThreadState
from agents.visible_text import escape_hidden_characters


def missing_agent(effect: WorkEffect, state: ThreadState, known: Collection[str]) -> str | None:
    """Return the name of the agent that the effect needs, when it is not among the known ones.

    A cancelled thread cannot be paused; a call that still runs there is found out about without its agent.
    """
    name = _agent_of(effect, state)
    return None if name is None or name in known or state.lifecycle == "cancelled" else name


def pause_without_agent(
    name: str, known: Collection[str], state: ThreadState, moment: EventStamp
) -> tuple[KnownEvent, ...]:
    """Return the pause, and the words for the people of the thread: what is missing, and what to do."""
    reason = (
        f"the agent {escape_hidden_characters(name)} does not exist here any more (there are: {', '.join(known)}). "
        f"Ask your operator to bring it back under this name, then resume this thread"
    )
    text = f"I am paused: {reason} with `handrail threads resume {state.thread_id}`. Nothing is lost meanwhile."
    told = ReplyChosen(at=moment.now, actor=ENGINE, text=text)
    return (told, ThreadPaused(at=moment.now, actor=ENGINE, reason=reason))


def _agent_of(effect: WorkEffect, state: ThreadState) -> str | None:
    match effect:
        case CallModel() | Prefetch():
            return state.active_agent
        case RunTool() | RecoverTool():
            return effect.call.agent or state.agent
        case _:
            return None
