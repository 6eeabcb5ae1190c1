"""Report on a thread's channel whether its agent is working, where the channel can show a status."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.effects import AskHuman, Prefetch, RecoverTool, RunTool, WorkEffect
from agents.state import ThreadState
from channels.base import IdleReason, StatusChannel

_IDLE_REASONS: Mapping[str, IdleReason] = {
    "waiting_for_human": "waiting",
    "paused": "waiting",
    "cancelled": "cancelled",
}


@dataclass(frozen=True)
class StatusReporter:
    """Reports the status of threads to their channels. Channels without a status are skipped."""

    channels: Mapping[str, StatusChannel] = field(default_factory=dict)

    def report_busy(self, state: ThreadState, effect: WorkEffect) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None and not isinstance(effect, AskHuman):
            channel.set_busy(state.origin, _describe_work(effect))

    def report_idle(self, state: ThreadState) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None:
            channel.set_idle(state.origin, _IDLE_REASONS.get(state.status, "done"))


def _describe_work(effect: WorkEffect) -> str:
    match effect:
        case Prefetch():
            return f"is running {effect.tool}…"
        case RunTool() | RecoverTool():
            return f"is running {effect.call.tool}…"
        case _:
            return "is thinking…"
