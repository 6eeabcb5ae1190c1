"""Opening requests: what people are asked, and on which terms."""

from datetime import timedelta
from typing import Any

import pytest

from agents.addresses import ENGINE, Address
from agents.budget import Budget
from agents.digest import call_digest
from agents.judge import judge
from agents.opening import (
    ANYBODY,
    EXTEND_BUDGET,
    OUTCOMES,
    WEEK,
    agent_address,
    ask_for_budget,
    ask_for_call,
    ask_for_help,
    ask_question,
    ask_what_happened,
)
from agents.policy import Policy, Rule
from agents.reducer import fold
from agents.requests import Request
from agents.state import OpenCall, ThreadState
from agents.steps import RequestHumanInput
from tests.agents.samples import ALICE, BOB, NOW, PEOPLE, RELEASE, STRANGER, answer, moment, terms, thread

CALL = OpenCall(
    call_id="call_1",
    tool="push",
    tool_version=1,
    effect="once",
    arguments={"where": "staging"},
    digest="d" * 64,
    phase="asked",
)


def asked(question: str = "Where to?", *choices: str) -> Request:
    return ask_question(thread(), RequestHumanInput(question=question, choices=choices), moment()).request


def budget(*rules: Rule, **limits: float) -> Request:
    state = thread(budget=Budget(**(limits or {"steps": 3})))
    return ask_for_budget(state, next(iter(limits or ["steps"])), Policy(rules=rules, people=PEOPLE), moment()).request


def test_a_request_says_whose_it_is() -> None:
    request = ask_for_call(thread(), CALL, terms(RELEASE), moment("7")).request
    assert (request.id, request.code, request.thread_id) == ("req_7", "C7", "thr_1")
    assert (request.agent, request.requester, request.opened_at) == ("walker", ALICE, NOW)
    assert (request.status, request.answers, request.cards) == ("open", (), ())


def test_opening_is_done_by_the_agent_or_by_the_engine_where_there_is_none() -> None:
    assert ask_for_help(thread(), "Stuck.", moment()).actor == Address("agent:walker")
    assert agent_address(ThreadState()) == ENGINE


def test_an_approval_is_of_exactly_the_call_in_hand() -> None:
    request = ask_for_call(thread(), CALL, terms(RELEASE), moment()).request
    assert (request.kind, request.purpose, request.call_id) == ("approval", "tool", CALL.call_id)
    assert (request.tool, request.arguments, request.digest) == (CALL.tool, CALL.arguments, CALL.digest)
    assert (request.ask, request.question, request.choices) == (RELEASE, None, ())


def test_a_question_may_be_answered_by_everybody_we_know_within_a_week() -> None:
    request = asked()
    assert (request.kind, request.purpose, request.ask, request.ask.expires) == ("question", "question", ANYBODY, WEEK)
    assert judge(request, answer("answer", BOB, text="here"), people=PEOPLE, now=NOW).status == "answered"
    assert judge(request, answer("answer", STRANGER, text="here"), people=PEOPLE, now=NOW).status == "open"


def test_the_digest_of_a_question_binds_its_choices() -> None:
    digests = {
        asked().digest,
        asked("Where from?").digest,
        asked("Where to?", "a").digest,
        asked("Where to?", "b").digest,
    }
    assert len(digests) == 4
    assert asked("Where to?", "a").digest == asked("Where to?", "a").digest


def test_a_question_keeps_the_form_the_agent_chose() -> None:
    step = RequestHumanInput(question="Sure?", format="yes_no", urgency="low")
    request = ask_question(thread(), step, moment()).request
    assert (request.format, request.urgency) == ("yes_no", "low")


def test_an_agent_that_is_stuck_asks_how_to_go_on() -> None:
    request = ask_for_help(thread(), "Several attempts failed.", moment()).request
    assert (request.kind, request.purpose) == ("question", "handover")
    assert request.question == "Several attempts failed. How should I go on?"


def test_an_outcome_nobody_knows_is_asked_with_its_three_answers() -> None:
    request = ask_what_happened(thread(), CALL, moment()).request
    assert (request.kind, request.purpose, request.call_id, request.urgency) == (
        "question",
        "outcome",
        "call_1",
        "high",
    )
    assert (request.choices, request.format) == (OUTCOMES, "multiple_choice")
    assert request.question == "push was started and I cannot tell whether it ran. Please look: did it?"


# Budgets


def test_more_budget_is_an_approval_of_as_much_again() -> None:
    request = budget(tokens=250)
    assert (request.kind, request.purpose, request.tool) == ("approval", "budget", "extend_budget")
    assert request.arguments == {"kind": "tokens", "by": 250.0}
    assert request.digest == call_digest("thr_1", "0001", "extend_budget", 1, {"kind": "tokens", "by": 250.0})


def test_the_requester_may_extend_their_own_budget_unless_a_rule_says_otherwise() -> None:
    assert budget().ask == EXTEND_BUDGET.ask
    assert budget(Rule(name="free", tool="extend_budget")).ask == EXTEND_BUDGET.ask
    assert budget(Rule(name="house", tool="extend_budget", ask=RELEASE)).ask == RELEASE
    assert budget(Rule(name="all", tool="*", ask=RELEASE)).ask == RELEASE


def test_a_question_and_a_budget_wait_for_a_week() -> None:
    assert timedelta(days=7).total_seconds() == WEEK
    assert budget().ask.expires == WEEK
    assert judge(budget(), answer("approve", ALICE), people=PEOPLE, now=NOW).status == "approved"


def test_a_rule_may_speak_of_one_kind_of_budget() -> None:
    rule = Rule(name="money", tool="extend_budget", when={"kind": "usd"}, ask=RELEASE)
    assert budget(rule, usd=1.5).ask == RELEASE
    assert budget(rule, steps=3).ask == EXTEND_BUDGET.ask


@pytest.mark.parametrize("tool", ["extend_budget", "*"])
@pytest.mark.parametrize("by", [ALICE, BOB])
def test_a_budget_that_policy_denies_is_approved_by_nobody_and_halts(tool: str, by: Address) -> None:
    request = budget(Rule(name="never", tool=tool, deny="it is enough"))
    assert judge(request, answer("approve", by), people=PEOPLE, now=NOW).status == "open"
    assert (request.policy.rule, request.ask.on_expire) == ("never", "halt")


def test_a_budget_nobody_extends_in_time_halts_the_thread() -> None:
    assert budget().ask.on_expire == "halt"


# All of them


@pytest.mark.parametrize(
    "request_",
    [
        ask_for_call(thread(), CALL, terms(RELEASE), moment()),
        ask_question(thread(), RequestHumanInput(question="?"), moment()),
        ask_for_help(thread(), "Stuck.", moment()),
        ask_what_happened(thread(), CALL, moment()),
        ask_for_budget(thread(budget=Budget(steps=3)), "steps", Policy(people=PEOPLE), moment()),
    ],
    ids=lambda event: event.request.purpose,
)
def test_whatever_is_asked_opens_shows_a_card_where_the_thread_came_from_and_waits(request_: Any) -> None:
    state = fold(thread(), [request_])
    assert state.status == "waiting_for_human"
    assert [message.to for message in state.outgoing] == [state.origin]
    card = state.outgoing[0].message.card
    assert card is not None
    assert (card.request_id, card.code, card.status) == ("req_0001", "C0001", "open")
