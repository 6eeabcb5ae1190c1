"""Outcomes of requests are described with the same text everywhere, with the names of people."""

from datetime import UTC
from typing import Any

import pytest

from agents.core.cards import describe_request_outcome
from agents.core.decisions import evaluate_answer
from agents.core.events import RequestAnswered
from agents.core.outcomes import describe_answer, describe_outcome
from agents.core.people import name_in
from agents.core.reducer import reduce
from agents.core.request_factory import add_decider_names
from agents.core.requests import Request
from agents.core.values import Address, person_address
from bot.api.response_models import request_view
from channels.terminal.views import ApiRequest, closed_view
from tests.agents.factories import NOW, answer, get_open_request, thread_waiting_for_approval
from tests.harness.people import BOB, CAROL
from tests.histories import PEOPLE


def after_answer(decision: str, by: Address = BOB, **fields: Any) -> Request:
    """Return the request after an answer that was logged with names."""
    state = thread_waiting_for_approval()
    request = get_open_request(state)
    evaluation = evaluate_answer(request, answer(decision, by, **fields), people=PEOPLE, now=NOW)
    event = RequestAnswered(at=NOW, actor=by, request_id=request.id, answer=evaluation.answer, status=evaluation.status)
    found = reduce(state, add_decider_names(event, PEOPLE, request)).get_request(request.id)
    assert found is not None
    return found


def terminal_text(request: Request) -> str:
    view = ApiRequest.model_validate(request_view(request).model_dump(mode="json"))
    return str(closed_view(view, UTC))


@pytest.mark.parametrize(
    ("decision", "fields", "expected"),
    [
        ("approve", {}, "approved by Bob (web)"),
        ("deny", {"comment": "not today"}, "denied by Bob (web): not today"),
        ("deny", {"entered_by": CAROL}, "denied by Bob (web), entered by Carol"),
        ("deny", {"entered_by": person_address("ghost")}, "denied by Bob (web), entered by ghost"),
    ],
)
def test_cards_and_terminal_name_the_decider(decision: str, fields: dict[str, Any], expected: str) -> None:
    request = after_answer(decision, **fields)
    assert describe_request_outcome(request) == expected
    text = terminal_text(request).replace(f" at {NOW:%Y-%m-%d %H:%M} UTC", "")
    assert text == f"{request.code} {expected}"


def test_earlier_answer_is_described_in_the_same_form() -> None:
    given = after_answer("approve").answers[0]
    assert describe_answer(given, {"person:bob": "Bob"}) == "approve by Bob (web)"


def test_hidden_characters_in_a_name_are_escaped() -> None:
    assert name_in({"person:bob": "B\x1bob"}, "person:bob") == "B\\x1bob"
    given = after_answer("approve").answers
    assert describe_outcome("approved", given, {"person:bob": "B\nob"}) == "approved by B\\nob (web)"


def test_unknown_person_is_shown_by_the_id_in_the_address() -> None:
    assert PEOPLE.name_of(Address("web:stranger")) == "stranger"
    assert PEOPLE.name_of(person_address("bob")) == "Bob"
    assert PEOPLE.names_of((Address("terminal:bob"), Address("web:stranger"), BOB)) == {
        "terminal:bob": "Bob",
        "person:bob": "Bob",
    }
