import pytest

from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, PolicyDecision
from bot.api.policy_text import describe_policy


def describe(**terms: object) -> str:
    return describe_policy(
        PolicyDecision(answer="ask", rule="rule 1", ask=ApprovalTerms.model_validate(terms)), {"person:bob": "Bob"}
    )


def test_description_begins_with_the_rule() -> None:
    assert describe(roles=("release",)).startswith("rule 1: ")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"roles": ("release",)}, "role release may decide"),
        ({"roles": ("release", "oncall"), "people": ("bob",)}, "role release or role oncall or Bob may decide"),
        ({"roles": ("release",), "quorum": 2}, "2 of role release must agree"),
        ({"roles": ("*",)}, "any known person may decide"),
        ({}, "no approver may decide"),
        ({"requester_may_approve": True}, "the requester may approve"),
        ({"requester_may_approve": False}, "the requester may not approve"),
        ({"min_assurance": Assurance.HIGH}, "approving requires high assurance"),
        ({"expires": 90}, "without an answer in 90s it counts as not approved"),
        ({"expires": 7200, "on_expire": "hold"}, "without an answer in 2h it stays open"),
        ({"expires": 604_800, "on_expire": "halt"}, "without an answer in 7d it stops the thread"),
    ],
)
def test_terms_are_described(terms: dict[str, object], text: str) -> None:
    assert text in describe(**terms)


def test_decision_without_terms_has_no_approver() -> None:
    assert "no approver may decide" in describe_policy(PolicyDecision(answer="ask", rule="rule 1"), {})
