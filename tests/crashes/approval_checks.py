"""Checks, from a thread's log alone, that each started call had the approvals it needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.core.messages import Assurance
from tests.crashes.snapshot import LoggedRow


@dataclass
class ApprovalState:
    """Approval request of a call: its terms, all earlier requesters, and the answers that approve it so far."""

    terms: Any
    requesters: frozenset[str]
    tool: str
    approvals: list[Any] = field(default_factory=list)

    def add_answer(self, data: Any) -> None:
        """Add an answer. An edit invalidates earlier approvals."""
        answer = data["answer"]
        if data.get("digest") is not None:
            self.approvals, self.terms = [], data["policy"]["ask"]
        if answer["counted"] and answer["decision"] in ("approve", "edit") and not answer.get("is_proposal"):
            self.approvals.append(answer)

    def missing_approvals(self) -> Iterator[str]:
        """Yield the reasons why the call may not start yet."""
        approvers = {answer["by"] for answer in self.approvals}
        if len(approvers) < self.terms["quorum"]:
            yield f"approved by {len(approvers)} of {self.terms['quorum']}"
        acting = approvers | {answer["entered_by"] for answer in self.approvals if answer.get("entered_by")}
        if not self.terms["requester_may_approve"] and (self_approvers := acting & self.requesters):
            yield f"approved by {', '.join(sorted(self_approvers))}, who requested it"
        min_rank = Assurance(self.terms["min_assurance"]).rank
        if any(Assurance(answer["assurance"]).rank < min_rank for answer in self.approvals):
            yield "approved with less assurance than required"


def find_unapproved_calls(events: Sequence[LoggedRow]) -> Iterator[str]:
    """Yield the calls of one thread that started without the approval they needed."""
    message_authors: set[str] = set()
    comments: set[tuple[str, str]] = set()
    outcome_requests: set[str] = set()
    approvals_by_call: dict[str, ApprovalState | None] = {}
    requests: dict[str, ApprovalState] = {}
    for event in events:
        data = event.data
        if event.type == "ToolCalled" and data["verdict"]["answer"] == "ask":
            approvals_by_call[data["call_id"]] = None
        elif event.type == "RequestOpened" and data["request"]["purpose"] == "tool":
            ask = data["request"]["policy"]["ask"]
            may_editor_approve = ask.get("editor_may_approve", True)
            commenters = {name for name, tool in comments if tool != data["request"]["tool"] or not may_editor_approve}
            approval = ApprovalState(ask, frozenset(message_authors | commenters), data["request"]["tool"])
            approvals_by_call[data["request"]["call_id"]] = requests[data["request"]["id"]] = approval
        elif event.type == "RequestAnswered" and data["request_id"] in requests:
            requests[data["request_id"]].add_answer(data)
        elif event.type == "ToolStarted" and data["call_id"] in approvals_by_call:
            approval = approvals_by_call[data["call_id"]]
            reasons = ["without an approval request"] if approval is None else approval.missing_approvals()
            yield from (f"{data['call_id']} started, {reason}" for reason in reasons)
        elif event.type == "RequestOpened" and data["request"]["purpose"] == "outcome":
            outcome_requests.add(data["request"]["id"])
        message_authors |= set(_message_authors(event, data, outcome_requests))
        comments = set() if event.type == "MessageReceived" else comments
        if event.type == "RequestAnswered" and data["request_id"] in requests:
            comments |= {(name, requests[data["request_id"]].tool) for name in _comment_authors(data)}


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
