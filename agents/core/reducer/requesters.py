"""Requesters and deciders of a thread, including those of events dropped from the history (ADR 0017)."""

from typing import Any

from agents.core.events import KnownEvent, MessageEdited, MessageReceived, RequestAnswered, ThreadForked, ThreadStarted
from agents.core.policy import ApprovalTerms
from agents.core.state import DecisionComment, ThreadState
from agents.core.values import Address, person_address


def reduce_requesters(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the changed fields. Each address is listed once, in the order of its first message."""
    requesters = dict.fromkeys((*state.requesters, *filter(None, _authors(state, event))))
    changed: dict[str, Any] = {"requesters": tuple(requesters)} if len(requesters) > len(state.requesters) else {}
    return changed | _reduce_decision_comments(state, event)


def _reduce_decision_comments(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the comments of decisions after the event. They influence the model until the next message."""
    if isinstance(event, MessageReceived) and state.decision_comments:
        return {"decision_comments": ()}
    if not isinstance(event, RequestAnswered) or event.answer.decision == "answer" or not event.has_text:
        return {}
    request = state.get_request(event.request_id)
    tool = request.tool if request else None
    commenters = filter(None, (event.answer.by, event.answer.entered_by))
    return {
        "decision_comments": tuple(
            dict.fromkeys((*state.decision_comments, *(DecisionComment(by=by, tool=tool) for by in commenters)))
        )
    }


def _authors(state: ThreadState, event: KnownEvent) -> tuple[Address | None, ...]:
    """Return the addresses whose text the event adds to the log; comments of decisions are handled separately."""
    match event:
        case ThreadStarted():
            return (event.requester, event.actor, event.entered_by)
        case MessageReceived():
            return (event.actor, event.entered_by, _parse_author(event.author))
        case MessageEdited() | ThreadForked():
            return (event.actor,)
        case RequestAnswered() if event.answer.decision == "answer" and not _is_outcome_report(state, event):
            return (event.answer.by, event.answer.entered_by)
        case _:
            return ()


def _parse_author(author: str | None) -> Address | None:
    """Return the author's address; None if the channel gave only a name."""
    try:
        return Address(author) if author else None
    except ValueError:
        return None


def _is_outcome_report(state: ThreadState, event: RequestAnswered) -> bool:
    """Return whether the answer only reports the outcome of a call by a given choice."""
    request = state.get_request(event.request_id)
    return request is not None and request.purpose == "outcome"


def add_deciders(state: ThreadState, terms: ApprovalTerms) -> tuple[str, ...]:
    """Return the deciders with those of these terms added, or the same tuple if there are no new ones."""
    named = dict.fromkeys(
        (*state.deciders, *(f"role:{role}" for role in terms.roles), *map(person_address, terms.people))
    )
    return tuple(named) if len(named) > len(state.deciders) else state.deciders
