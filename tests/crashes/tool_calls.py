"""History of each tool call, read from the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.core.requests import RETRY_CALL
from tests.crashes.snapshot import LoggedRow, SystemSnapshot


@dataclass
class ToolCallHistory:
    """One call: how often it was started, and how it ended.

    `unknown_outcome_events` are those for which a person was asked. In a cancelled thread no person is asked, and the
    call ends with `has_unknown_outcome`.
    """

    called_event: LoggedRow
    keys: list[str] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    unknown_outcome_events: list[LoggedRow] = field(default_factory=list)
    request_purposes: dict[str, str] = field(default_factory=dict)
    retry_answers: int = 0
    is_running: bool = False
    has_unknown_outcome: bool = False

    @property
    def tool(self) -> str:
        tool: str = self.called_event.data["tool"]
        return tool

    @property
    def effect_class(self) -> str:
        effect_class: str = self.called_event.data["effect"]
        return effect_class

    @property
    def key(self) -> str:
        return f"{self.called_event.thread_id}:{self.called_event.data['call_id']}"


def tool_call_histories(snapshot: SystemSnapshot) -> list[ToolCallHistory]:
    return [call for log in snapshot.logs.values() for call in _histories_of_log(log)]


def _histories_of_log(log: Sequence[LoggedRow]) -> list[ToolCallHistory]:
    calls: dict[str, ToolCallHistory] = {}
    cancelled = False
    for event in log:
        data = event.data
        cancelled = cancelled or event.type == "ThreadCancelled"
        if event.type == "ToolCalled":
            is_denied = data["verdict"]["answer"] == "deny"  # the policy's decision
            calls[data["call_id"]] = ToolCallHistory(event, outcomes=["refused"] if is_denied else [])
        elif "call_id" in data and data["call_id"] in calls:
            _apply_tool_event(calls[data["call_id"]], event, data, is_cancelled=cancelled)
        else:
            _apply_other_event(calls, event, data)
    return list(calls.values())


def _apply_tool_event(call: ToolCallHistory, event: LoggedRow, data: Any, *, is_cancelled: bool) -> None:
    call.is_running = event.type == "ToolStarted"
    match event.type:
        case "ToolStarted":
            call.keys.append(data["key"])
            call.attempts.append(data["attempt"])
        case "ToolSucceeded":
            call.outcomes.append("done")
        case "ToolFailed" if "retry_at" not in data or is_cancelled:
            call.outcomes.append("failed")
        case "ToolOutcomeUnknown" if is_cancelled:
            call.outcomes.append("unknown")
            call.has_unknown_outcome = True
        case "ToolOutcomeUnknown":
            call.unknown_outcome_events.append(event)


def _apply_other_event(calls: dict[str, ToolCallHistory], event: LoggedRow, data: Any) -> None:
    """Apply an event about a request for a call, or the cancellation of the thread."""
    if event.type == "RequestOpened" and (call := calls.get(data["request"].get("call_id", ""))):
        call.request_purposes[data["request"]["id"]] = data["request"]["purpose"]
    for call in calls.values():
        purpose = call.request_purposes.get(data.get("request_id", ""))
        if purpose is not None:
            _apply_request_event(call, purpose, event, data)
        if event.type == "ThreadCancelled" and not call.outcomes and not call.is_running:
            call.outcomes.append("cancelled")


def _apply_request_event(call: ToolCallHistory, purpose: str, event: LoggedRow, data: Any) -> None:
    status_or_type = data.get("status") if event.type == "RequestAnswered" else event.type
    if purpose == "tool" and status_or_type in ("denied", "RequestExpired", "RequestSuperseded"):
        call.outcomes.append("refused")
    if purpose == "outcome" and status_or_type == "answered":
        if data["answer"]["text"] == RETRY_CALL:
            call.retry_answers += 1
        else:
            call.outcomes.append("unknown")
