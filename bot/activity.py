"""Tells the channel of a thread that an agent is at work there, and when it rests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.effects import AskHuman, Prefetch, RecoverTool, RunTool, Work
from agents.state import ThreadState
from channels.base import Rest, ShowsWork

_ENDS: Mapping[str, Rest] = {"waiting_for_human": "waiting", "paused": "waiting", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Activity:
    """Only where the channel can show it."""

    channels: Mapping[str, ShowsWork] = field(default_factory=dict)

    def works(self, state: ThreadState, effect: Work) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None and not isinstance(effect, AskHuman):
            channel.works(state.origin, _doing(effect))

    def rests(self, state: ThreadState) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None:
            channel.rests(state.origin, _ENDS.get(state.status, "done"))


def _doing(effect: Work) -> str:
    match effect:
        case Prefetch():
            return f"is running {effect.tool}…"
        case RunTool() | RecoverTool():
            return f"is running {effect.call.tool}…"
        case _:
            return "is thinking…"
