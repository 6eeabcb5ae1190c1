from datetime import UTC, datetime, timedelta
from typing import Any

from agents.core.events import RequestEscalated, UnknownEvent
from agents.core.messages import Receipt
from agents.core.people import People
from agents.core.policy import ApprovalTerms, EscalationStep, PolicyDecision
from agents.core.requests import PostedCard, Request
from agents.core.values import Address
from bot.api.response_models import event_view, request_view
from tests.harness.people import PEOPLE, with_addresses

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def make_request(terms: ApprovalTerms, **fields: Any) -> Request:
    return Request(
        id="req_1",
        code="ABCDE",
        kind="approval",
        purpose="tool",
        thread_id="thr_1",
        agent="porter",
        requester=Address("person:alice"),
        digest="d",
        policy=PolicyDecision(answer="ask", rule="rule 1", ask=terms),
        opened_at=NOON,
        **fields,
    )


def view_as_json(terms: ApprovalTerms, **fields: Any) -> dict[str, Any]:
    return request_view(make_request(terms, **fields)).model_dump(mode="json")


def test_request_has_the_number_of_uncounted_answers() -> None:
    assert view_as_json(ApprovalTerms(), refused_count=300)["refused_count"] == 300
    assert "refused_count" not in view_as_json(ApprovalTerms())


def test_expired_request_that_stays_open_has_no_expiry() -> None:
    assert view_as_json(ApprovalTerms(expires=60), is_kept_open=True)["expires_at"] is None


def test_expiry_is_in_utc() -> None:
    assert view_as_json(ApprovalTerms(expires=60))["expires_at"] == "2026-01-02T12:01:00Z"


def test_null_argument_is_kept() -> None:
    assert view_as_json(ApprovalTerms(), arguments={"tag": None})["arguments"] == {"tag": None}


def test_escalation_steps_have_their_channel_if_any() -> None:
    steps = (
        EscalationStep(after=60, to=Address("role:oncall"), via="sms"),
        EscalationStep(after=90, to=Address("person:bob")),
    )
    assert view_as_json(ApprovalTerms(escalate=steps))["policy"]["ask"]["escalate"] == [
        {"after": 60, "to": "role:oncall", "via": "sms"},
        {"after": 90, "to": "person:bob"},
    ]


def test_card_is_shown_without_its_receipt() -> None:
    card = PostedCard(
        address=Address("web:x"),
        state="denied",
        receipt=Receipt(ref="secret", digest="d"),
        shown_at=NOON,
        settled_at=NOON + timedelta(seconds=1),
    )
    assert view_as_json(ApprovalTerms(), cards=(card,))["cards"] == [
        {
            "address": "web:x",
            "state": "denied",
            "shown_at": "2026-01-02T12:00:00Z",
            "settled_at": "2026-01-02T12:00:01Z",
        }
    ]


def test_updated_card_of_an_open_request_is_not_settled() -> None:
    card = PostedCard(
        address=Address("web:x"),
        state="open",
        receipt=Receipt(ref="r", digest="d"),
        shown_at=NOON,
        settled_at=NOON + timedelta(seconds=1),
    )
    assert view_as_json(ApprovalTerms(quorum=2), cards=(card,))["cards"] == [
        {"address": "web:x", "state": "open", "shown_at": "2026-01-02T12:00:00Z"}
    ]


def test_unreadable_event_is_shown_as_stored() -> None:
    event = UnknownEvent(type="Later", at=NOON, actor=Address("system:engine"), data={"new": [1]})
    assert event_view(7, event, People()).model_dump(mode="json") == {
        "seq": 7,
        "type": "Later",
        "at": "2026-01-02T12:00:00Z",
        "actor": "system:engine",
        "data": {"new": [1]},
    }


def test_event_has_the_names_of_its_people() -> None:
    # An address without a workspace matches in every workspace.
    people = with_addresses(PEOPLE, bob=("slack:U0BOB",))
    event = RequestEscalated(
        at=NOON,
        actor=Address("person:bob"),
        request_id="req_1",
        nth=1,
        to=(Address("slack:T1/U0BOB"), Address("web:x")),
    )
    assert event_view(7, event, people).names == {"person:bob": "Bob", "slack:T1/U0BOB": "Bob"}
