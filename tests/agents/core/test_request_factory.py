"""Requests have the right content and terms when they are opened."""

from datetime import timedelta
from typing import Any

import pytest

from agents.core.canonical_json import call_digest
from agents.core.completion import Budget
from agents.core.decisions import evaluate_answer
from agents.core.policy import Policy, Rule
from agents.core.reducer import fold
from agents.core.request_factory import (
    ANY_KNOWN_PERSON,
    EXTEND_BUDGET_DEFAULTS,
    OUTCOMES,
    WEEK_SECONDS,
    agent_address,
    approval_request,
    budget_request,
    help_request,
    outcome_request,
    question_request,
)
from agents.core.requests import Request
from agents.core.state import CurrentCall, ThreadState
from agents.core.steps import RequestHumanInput
from agents.core.values import ENGINE, Address
from tests.agents.factories import NOW, RELEASE_TERMS, answer, event_stamp, policy_decision, thread
from tests.harness.people import ALICE, BOB, STRANGER
from tests.histories import PEOPLE

CALL = CurrentCall(
    call_id="call_1",
    tool="push",
    tool_version=1,
    effect="once",
    arguments={"where": "staging"},
    digest="d" * 64,
    phase="awaiting_approval",
)


def make_question(question: str = "Where to?", *choices: str) -> Request:
    return question_request(thread(), RequestHumanInput(question=question, choices=choices), event_stamp()).request


def make_budget_request(*rules: Rule, **limits: float) -> Request:
    state = thread(budget=Budget(**(limits or {"steps": 3})))
    return budget_request(
        state, next(iter(limits or ["steps"])), Policy(rules=rules, people=PEOPLE), event_stamp()
    ).request


def test_request_names_thread_agent_and_requester() -> None:
    request = approval_request(thread(), CALL, policy_decision(RELEASE_TERMS), event_stamp(new_id="7")).request
    assert (request.id, request.code, request.thread_id) == ("req_7", "C7", "thr_1")
    assert (request.agent, request.requester, request.opened_at) == ("walker", ALICE, NOW)
    assert (request.status, request.answers, request.cards) == ("open", (), ())


def test_request_is_opened_by_the_agent_or_the_engine() -> None:
    assert help_request(thread(), "Stuck.", event_stamp()).actor == Address("agent:walker")
    assert agent_address(ThreadState()) == ENGINE


def test_approval_request_has_exactly_the_current_call() -> None:
    request = approval_request(thread(), CALL, policy_decision(RELEASE_TERMS), event_stamp()).request
    assert (request.kind, request.purpose, request.call_id) == ("approval", "tool", CALL.call_id)
    assert (request.tool, request.arguments, request.digest) == (CALL.tool, CALL.arguments, CALL.digest)
    assert (request.terms, request.question, request.choices) == (RELEASE_TERMS, None, ())


def test_any_known_person_may_answer_a_question_for_a_week() -> None:
    request = make_question()
    assert (request.kind, request.purpose, request.terms, request.terms.expires) == (
        "question",
        "question",
        ANY_KNOWN_PERSON,
        WEEK_SECONDS,
    )
    assert evaluate_answer(request, answer("answer", BOB, text="here"), people=PEOPLE, now=NOW).status == "answered"
    assert evaluate_answer(request, answer("answer", STRANGER, text="here"), people=PEOPLE, now=NOW).status == "open"


def test_digest_of_a_question_covers_its_choices() -> None:
    digests = {
        make_question().digest,
        make_question("Where from?").digest,
        make_question("Where to?", "a").digest,
        make_question("Where to?", "b").digest,
    }
    assert len(digests) == 4
    assert make_question("Where to?", "a").digest == make_question("Where to?", "a").digest


def test_question_keeps_the_format_of_the_agent() -> None:
    step = RequestHumanInput(question="Sure?", format="yes_no", urgency="low")
    request = question_request(thread(), step, event_stamp()).request
    assert (request.format, request.urgency) == ("yes_no", "low")


def test_stuck_agent_asks_how_to_continue() -> None:
    request = help_request(thread(), "Several attempts failed.", event_stamp()).request
    assert (request.kind, request.purpose) == ("question", "handover")
    assert request.question == "Several attempts failed. How should I go on?"


def test_outcome_question_has_three_choices() -> None:
    request = outcome_request(thread(), CALL, event_stamp()).request
    assert (request.kind, request.purpose, request.call_id, request.urgency) == (
        "question",
        "outcome",
        "call_1",
        "high",
    )
    assert (request.choices, request.format) == (OUTCOMES, "multiple_choice")
    assert request.question == "push was started, but I cannot tell whether it ran. Please check: did it run?"


# Budgets


def test_budget_request_asks_for_the_same_amount_again() -> None:
    request = make_budget_request(tokens=250)
    assert (request.kind, request.purpose, request.tool) == ("approval", "budget", "extend_budget")
    assert request.arguments == {"kind": "tokens", "by": 250.0}
    assert request.digest == call_digest("thr_1", "0001", "extend_budget", 1, {"kind": "tokens", "by": 250.0})


def test_requester_may_extend_the_budget_unless_a_rule_forbids() -> None:
    assert make_budget_request().terms == EXTEND_BUDGET_DEFAULTS.ask
    assert make_budget_request(Rule(name="free", tool="extend_budget")).terms == EXTEND_BUDGET_DEFAULTS.ask
    assert make_budget_request(Rule(name="house", tool="extend_budget", ask=RELEASE_TERMS)).terms == RELEASE_TERMS
    assert make_budget_request(Rule(name="all", tool="*", ask=RELEASE_TERMS)).terms == RELEASE_TERMS


def test_question_and_budget_request_expire_after_a_week() -> None:
    assert timedelta(days=7).total_seconds() == WEEK_SECONDS
    assert make_budget_request().terms.expires == WEEK_SECONDS
    assert evaluate_answer(make_budget_request(), answer("approve", ALICE), people=PEOPLE, now=NOW).status == "approved"


def test_rule_may_match_one_kind_of_budget() -> None:
    rule = Rule(name="money", tool="extend_budget", when={"kind": "usd"}, ask=RELEASE_TERMS)
    assert make_budget_request(rule, usd=1.5).terms == RELEASE_TERMS
    assert make_budget_request(rule, steps=3).terms == EXTEND_BUDGET_DEFAULTS.ask


@pytest.mark.parametrize("tool", ["extend_budget", "*"])
@pytest.mark.parametrize("by", [ALICE, BOB])
def test_denied_budget_request_has_no_approver_and_halts(tool: str, by: Address) -> None:
    request = make_budget_request(Rule(name="never", tool=tool, deny="it is enough"))
    assert evaluate_answer(request, answer("approve", by), people=PEOPLE, now=NOW).status == "open"
    assert (request.policy.rule, request.terms.on_expire) == ("never", "halt")


def test_expired_budget_request_halts_the_thread() -> None:
    assert make_budget_request().terms.on_expire == "halt"


# All requests


@pytest.mark.parametrize(
    "request_",
    [
        approval_request(thread(), CALL, policy_decision(RELEASE_TERMS), event_stamp()),
        question_request(thread(), RequestHumanInput(question="?"), event_stamp()),
        help_request(thread(), "Stuck.", event_stamp()),
        outcome_request(thread(), CALL, event_stamp()),
        budget_request(thread(budget=Budget(steps=3)), "steps", Policy(people=PEOPLE), event_stamp()),
    ],
    ids=lambda event: event.request.purpose,
)
def test_every_request_sends_a_card_to_the_origin_and_waits(request_: Any) -> None:
    state = fold(thread(), [request_])
    assert state.status == "waiting_for_human"
    assert [message.to for message in state.pending_messages] == [state.origin]
    card = state.pending_messages[0].message.card
    assert card is not None
    assert (card.request_id, card.code, card.status) == ("req_0001", "C0001", "open")
