"""What became of every call of a tool, as its log tells it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.requests import RUN_AGAIN
from tests.crashes.evidence import Evidence, Logged


@dataclass
class Call:
    """One call: how often it was started, and how it ended.

    `doubts` are the times nobody could tell and people had to be asked; in a cancelled thread, where nobody is asked,
    it `ends_in_doubt`.
    """

    called: Logged
    keys: list[str] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    doubts: list[Logged] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)
    again: int = 0
    running: bool = False
    ends_in_doubt: bool = False

    @property
    def tool(self) -> str:
        tool: str = self.called.data["tool"]
        return tool

    @property
    def effect(self) -> str:
        effect: str = self.called.data["effect"]
        return effect

    @property
    def key(self) -> str:
        return f"{self.called.thread}:{self.called.data['call_id']}"


def calls_of(evidence: Evidence) -> list[Call]:
    return [call for log in evidence.logs.values() for call in _calls(log)]


def _calls(log: Sequence[Logged]) -> list[Call]:
    calls: dict[str, Call] = {}
    cancelled = False
    for event in log:
        data = event.data
        cancelled = cancelled or event.type == "ThreadCancelled"
        if event.type == "ToolCalled":
            calls[data["call_id"]] = Call(event, endings=["refused"] if data["verdict"]["answer"] == "deny" else [])
        elif "call_id" in data and data["call_id"] in calls:
            _worked(calls[data["call_id"]], event, data, cancelled=cancelled)
        else:
            _spoken(calls, event, data)
    return list(calls.values())


def _worked(call: Call, event: Logged, data: Any, *, cancelled: bool) -> None:
    call.running = event.type == "ToolStarted"
    match event.type:
        case "ToolStarted":
            call.keys.append(data["key"])
            call.attempts.append(data["attempt"])
        case "ToolSucceeded":
            call.endings.append("done")
        case "ToolFailed" if "retry_at" not in data or cancelled:
            call.endings.append("failed")
        case "ToolOutcomeUnknown" if cancelled:
            call.endings.append("unknown")
            call.ends_in_doubt = True
        case "ToolOutcomeUnknown":
            call.doubts.append(event)


def _spoken(calls: dict[str, Call], event: Logged, data: Any) -> None:
    """People have their say about calls too: before they start, when they are in doubt, and when all is cancelled."""
    if event.type == "RequestOpened" and (call := calls.get(data["request"].get("call_id", ""))):
        call.requests[data["request"]["id"]] = data["request"]["purpose"]
    for call in calls.values():
        purpose = call.requests.get(data.get("request_id", ""))
        if purpose is not None:
            _settled(call, purpose, event, data)
        if event.type == "ThreadCancelled" and not call.endings and not call.running:
            call.endings.append("cancelled")


def _settled(call: Call, purpose: str, event: Logged, data: Any) -> None:
    status = data.get("status") if event.type == "RequestAnswered" else event.type
    if purpose == "tool" and status in ("denied", "RequestExpired", "RequestSuperseded"):
        call.endings.append("refused")
    if purpose == "outcome" and status == "answered":
        if data["answer"]["text"] == RUN_AGAIN:
            call.again += 1
        else:
            call.endings.append("unknown")
