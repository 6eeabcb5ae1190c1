import pytest

from agents.messages import Assurance
from agents.policy import ApprovalTerms, PolicyDecision
from bot.web.policy_text import describe_policy


def words(**terms: object) -> str:
    return describe_policy(
        PolicyDecision(answer="ask", rule="rule 1", ask=ApprovalTerms.model_validate(terms)), {"person:bob": "Bob"}
    )


def test_a_rule_is_told_with_its_name_first() -> None:
    assert words(roles=("release",)).startswith("rule 1: ")


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"roles": ("release",)}, "role release may decide"),
        ({"roles": ("release", "oncall"), "people": ("bob",)}, "role release or role oncall or Bob may decide"),
        ({"roles": ("release",), "quorum": 2}, "2 of role release must agree"),
        ({"roles": ("*",)}, "anybody we know may decide"),
        ({}, "nobody may decide"),
        ({"requester_may_approve": True}, "whoever asked may approve"),
        ({"requester_may_approve": False}, "whoever asked may not approve"),
        ({"min_assurance": Assurance.HIGH}, "approving takes high assurance"),
        ({"expires": 90}, "without an answer in 90s it counts as not approved"),
        ({"expires": 7200, "on_expire": "hold"}, "without an answer in 2h it stays open"),
        ({"expires": 604_800, "on_expire": "halt"}, "without an answer in 7d it stops the thread"),
    ],
)
def test_the_terms_are_told_in_words(terms: dict[str, object], told: str) -> None:
    assert told in words(**terms)


def test_a_verdict_without_terms_lets_nobody_decide() -> None:
    assert "nobody may decide" in describe_policy(PolicyDecision(answer="ask", rule="rule 1"), {})
