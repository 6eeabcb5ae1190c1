"""Who let a call start, as its log tells it: by whose words it was proposed, and by whose answers it was approved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.messages import Assurance
from tests.crashes.snapshot import LoggedRow


@dataclass
class ApprovalState:
    """One approval of a call: its terms, all who had spoken before it, and the answers that approve it by now."""

    terms: Any
    requesters: frozenset[str]
    tool: str
    approvals: list[Any] = field(default_factory=list)

    def add_answer(self, data: Any) -> None:
        """Take one more answer; an edit makes what was approved before lapse."""
        answer = data["answer"]
        if data.get("digest") is not None:
            self.approvals, self.terms = [], data["policy"]["ask"]
        if answer["counted"] and answer["decision"] in ("approve", "edit") and not answer.get("is_proposal"):
            self.approvals.append(answer)

    def missing_approvals(self) -> Iterator[str]:
        """Say why the call may not start yet."""
        approvers = {answer["by"] for answer in self.approvals}
        if len(approvers) < self.terms["quorum"]:
            yield f"approved by {len(approvers)} of {self.terms['quorum']}"
        acting = approvers | {answer["entered_by"] for answer in self.approvals if answer.get("entered_by")}
        if not self.terms["requester_may_approve"] and (own := acting & self.requesters):
            yield f"approved by {', '.join(sorted(own))}, whose words led to it"
        least = Assurance(self.terms["min_assurance"]).rank
        if any(Assurance(answer["assurance"]).rank < least for answer in self.approvals):
            yield "approved with less assurance than it takes"


def unapproved_calls(events: Sequence[LoggedRow]) -> Iterator[str]:
    """Yield what started in one thread without the approval it needed."""
    spoke: set[str] = set()
    advised: set[tuple[str, str]] = set()
    reports: set[str] = set()
    gated: dict[str, ApprovalState | None] = {}
    requests: dict[str, ApprovalState] = {}
    for event in events:
        data = event.data
        if event.type == "ToolCalled" and data["verdict"]["answer"] == "ask":
            gated[data["call_id"]] = None
        elif event.type == "RequestOpened" and data["request"]["purpose"] == "tool":
            ask = data["request"]["policy"]["ask"]
            may_edit = ask.get("editor_may_approve", True)
            advisers = {name for name, tool in advised if tool != data["request"]["tool"] or not may_edit}
            asked = ApprovalState(ask, frozenset(spoke | advisers), data["request"]["tool"])
            gated[data["request"]["call_id"]] = requests[data["request"]["id"]] = asked
        elif event.type == "RequestAnswered" and data["request_id"] in requests:
            requests[data["request_id"]].add_answer(data)
        elif event.type == "ToolStarted" and data["call_id"] in gated:
            asked_for = gated[data["call_id"]]
            whys = ["never asked for"] if asked_for is None else asked_for.missing_approvals()
            yield from (f"{data['call_id']} started, {why}" for why in whys)
        elif event.type == "RequestOpened" and data["request"]["purpose"] == "outcome":
            reports.add(data["request"]["id"])
        spoke |= set(_message_authors(event, data, reports))
        advised = set() if event.type == "MessageReceived" else advised
        if event.type == "RequestAnswered" and data["request_id"] in requests:
            advised |= {(name, requests[data["request_id"]].tool) for name in _comment_authors(data)}


def _message_authors(event: LoggedRow, data: Any, outcome_requests: set[str]) -> Iterator[str]:
    if event.type in ("ThreadStarted", "MessageReceived", "MessageEdited", "ThreadForked"):
        yield event.actor
        yield from (data[name] for name in ("requester", "entered_by", "author") if data.get(name))
    answer = data["answer"] if event.type == "RequestAnswered" else {}
    if answer.get("decision") == "answer" and data["request_id"] not in outcome_requests:
        yield from _acting_addresses(answer)


def _comment_authors(data: Any) -> Iterator[str]:
    answer = data["answer"]
    if answer["decision"] != "answer" and (answer.get("text") or answer.get("comment") or data.get("digest")):
        yield from _acting_addresses(answer)


def _acting_addresses(answer: Any) -> Iterator[str]:
    return (answer[name] for name in ("by", "entered_by") if answer.get(name))
