"""How a request ended: the same words wherever it is shown, with the names of people."""

from datetime import UTC
from typing import Any

import pytest

from agents.addresses import Address, person
from agents.cards import outcome
from agents.deciders import with_names
from agents.events import RequestAnswered
from agents.judge import judge
from agents.outcomes import describe_answer, describe_outcome
from agents.people import name_in
from agents.reducer import reduce
from agents.requests import Request
from bot.web.shapes import request_view
from channels.terminal.outbound import RequestView, settled
from tests.agents.samples import BOB, CAROL, NOW, PEOPLE, answer, asking_thread, open_request


def after_answer(decision: str, by: Address = BOB, **said: Any) -> Request:
    """Return the request after an answer that entered the log with its names."""
    state = asking_thread()
    request = open_request(state)
    judged = judge(request, answer(decision, by, **said), people=PEOPLE, now=NOW)
    event = RequestAnswered(at=NOW, actor=by, request_id=request.id, answer=judged.given, status=judged.status)
    found = reduce(state, with_names(event, PEOPLE, request)).request_named(request.id)
    assert found is not None
    return found


def on_terminal(request: Request) -> str:
    view = RequestView.model_validate(request_view(request).model_dump(mode="json"))
    return str(settled(view, UTC))


@pytest.mark.parametrize(
    ("decision", "said", "told"),
    [
        ("approve", {}, "approved by Bob (web)"),
        ("deny", {"comment": "not today"}, "denied by Bob (web): not today"),
        ("deny", {"entered_by": CAROL}, "denied by Bob (web), entered by Carol"),
        ("deny", {"entered_by": person("ghost")}, "denied by Bob (web), entered by ghost"),
    ],
)
def test_cards_and_terminal_name_the_person_who_decided(decision: str, said: dict[str, Any], told: str) -> None:
    request = after_answer(decision, **said)
    assert outcome(request) == told
    words = on_terminal(request).replace(f" at {NOW:%Y-%m-%d %H:%M} UTC", "")
    assert words == f"{request.code} {told}"


def test_answer_that_is_not_the_last_one_is_told_alike() -> None:
    given = after_answer("approve").answers[0]
    assert describe_answer(given, {"person:bob": "Bob"}) == "approve by Bob (web)"


def test_name_that_hides_something_is_made_visible() -> None:
    assert name_in({"person:bob": "B\x1bob"}, "person:bob") == "B\\x1bob"
    given = after_answer("approve").answers
    assert describe_outcome("approved", given, {"person:bob": "B\nob"}) == "approved by B\\nob (web)"


def test_stranger_is_named_by_what_stands_in_the_address() -> None:
    assert PEOPLE.name_of(Address("web:stranger")) == "stranger"
    assert PEOPLE.name_of(person("bob")) == "Bob"
    assert PEOPLE.names_of((Address("terminal:bob"), Address("web:stranger"), BOB)) == {
        "terminal:bob": "Bob",
        "person:bob": "Bob",
    }
