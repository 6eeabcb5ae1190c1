"""The rules of `agents.core.message_rules`, one by one. A message never approves."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.events import MessageReceived, RequestAnswered, RequestSuperseded
from agents.core.message_rules import CORRECTION_WORDS, events_for_message, is_new_instruction
from agents.core.messages import Provenance
from agents.core.policy import ApprovalTerms
from agents.core.request_factory import OUTCOMES
from agents.core.requests import Purpose, Request
from agents.core.state import ThreadState
from agents.core.values import Address
from tests.agents.factories import NOW, approval, incoming_message, question
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import AGENT, PEOPLE, TEXTS

ANY_PERSON = ApprovalTerms(roles=("*",))


def event_types(*requests: Request, text: str, by: Address = ALICE, **changed) -> list[str]:
    """Return the types of the events of a message."""
    state = ThreadState(requests=requests, requester=ALICE)
    return [
        event.type
        for event in events_for_message(state, incoming_message(text, by, **changed), people=PEOPLE, agent=AGENT)
    ]


# No request open


@pytest.mark.parametrize("text", ["hello", "yes", "approve ABCDE", "stop", ""])
@pytest.mark.parametrize("by", [ALICE, BOB, STRANGER])
def test_message_without_a_request_is_recorded(text: str, by: Address) -> None:
    assert event_types(text=text, by=by) == ["MessageReceived"]


def test_message_is_recorded_unchanged() -> None:
    message = incoming_message("  Hello,\n\x1b[2J ", by=STRANGER, provenance=Provenance.QUOTED_MAIL)
    (event,) = events_for_message(ThreadState(), message, people=PEOPLE, agent=None)
    assert event == MessageReceived(
        at=NOW, actor=STRANGER, provenance=Provenance.QUOTED_MAIL, text="  Hello,\n\x1b[2J ", source=message.source
    )


# A question open


@pytest.mark.parametrize("by", [BOB, CAROL, ALICE, Address("terminal:alice")])
def test_fitting_text_of_an_allowed_person_is_the_answer(by: Address) -> None:
    assert event_types(question(), text="here", by=by) == ["MessageReceived", "RequestAnswered"]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_text_is_not_an_answer(text: str) -> None:
    assert event_types(question(), text=text) == ["MessageReceived"]


def test_text_of_a_person_who_may_not_answer_is_recorded() -> None:
    assert event_types(question(requester=CAROL), text="here", by=ALICE) == ["MessageReceived"]
    assert event_types(question(ANY_PERSON), text="here", by=STRANGER) == ["MessageReceived"]


@pytest.mark.parametrize("provenance", [p for p in Provenance if p is not Provenance.VERIFIED_PERSON])
@pytest.mark.parametrize("open_request", [question(ANY_PERSON), approval(ANY_PERSON)])
def test_unverified_message_is_only_recorded(provenance: Provenance, open_request: Request) -> None:
    assert event_types(open_request, text="stop", provenance=provenance) == ["MessageReceived"]


@pytest.mark.parametrize(
    ("open_request", "text", "expected"),
    [
        (question(choices=("here", "there")), "here", "here"),
        (question(choices=("here", "there")), " HERE! ", "here"),
        (question(choices=("Here", "There")), "please here.", "Here"),
        (question(choices=("a", "A")), "A", "A"),
        (question(choices=("Now", "Now!")), "Now!", "Now!"),
        (question(choices=("Yes, please.", "No")), "yes, please", "Yes, please."),
        (question(format="yes_no"), "Yes!", "yes"),
        (question(format="yes_no", choices=("ja", "nein")), "JA", "ja"),
        (question(), "  as it was said. ", "  as it was said. "),
    ],
)
def test_choice_is_matched_regardless_of_case(open_request: Request, text: str, expected: str) -> None:
    assert answer_text(open_request, text) == expected


@pytest.mark.parametrize(
    ("open_request", "text"),
    [
        (question(choices=("here", "there")), "elsewhere"),
        (question(format="yes_no"), "maybe"),
        (question(format="yes_no", choices=("ja", "nein")), "yes"),
    ],
)
def test_text_that_matches_no_choice_is_recorded(open_request: Request, text: str) -> None:
    assert event_types(open_request, text=text) == ["MessageReceived"]


def test_message_after_expiry_of_the_question_is_recorded() -> None:
    late = NOW + timedelta(hours=1)
    assert event_types(question(), text="here", at=late) == ["MessageReceived"]


@pytest.mark.parametrize("text", OUTCOMES)
def test_messages_never_answer_outcome_questions(text: str) -> None:
    open_request = question(ANY_PERSON, purpose="outcome", choices=OUTCOMES, format="multiple_choice")
    assert event_types(open_request, text=text, by=BOB) == ["MessageReceived"]


# An approval open


@pytest.mark.parametrize("by", [ALICE, Address("email:alice@example.com"), BOB, CAROL])
def test_new_instruction_supersedes_the_approval(by: Address) -> None:
    assert event_types(approval(), text="ship elsewhere", by=by) == ["RequestSuperseded", "MessageReceived"]


def test_uninvolved_person_supersedes_nothing() -> None:
    assert event_types(approval(requester=BOB), text="stop", by=ALICE) == ["MessageReceived"]


def test_superseded_request_names_the_author() -> None:
    superseded, _ = events_for_message(
        ThreadState(requests=(approval(),)), incoming_message("stop", by=BOB), people=PEOPLE, agent=AGENT
    )
    assert isinstance(superseded, RequestSuperseded)
    assert (superseded.actor, superseded.reason) == (BOB, "Bob gave a new instruction")


@pytest.mark.parametrize("text", ["ok", "yes", "approve", "approve ABCDE", "ABCDE", "looks good", "👍", "why staging?"])
@pytest.mark.parametrize("by", [ALICE, BOB])
def test_comment_leaves_the_approval_open(text: str, by: Address) -> None:
    assert event_types(approval(), text=text, by=by) == ["MessageReceived"]


@pytest.mark.parametrize("word", sorted(CORRECTION_WORDS))
def test_every_correction_word_is_an_instruction(word: str) -> None:
    assert is_new_instruction(word, None)
    assert is_new_instruction(f"{word.upper()}, that is wrong", None)
    assert is_new_instruction(f"I said {word}", None) is (word == "instead")


@pytest.mark.parametrize(
    "text",
    [
        "stop!",
        "Stop. That is wrong.",
        "no: staging",
        "wait… not yet",
        "wait - not yet",
        "don\u2019t do that",
        "DON'T",
        "please stop",
        "hey, stop",
        "hi, can you please hold on",
        "take the other one instead",
        "instead, take the other",
        "*stop*",
    ],
)
def test_correction_is_recognized_with_any_punctuation(text: str) -> None:
    assert is_new_instruction(text, None)


@pytest.mark.parametrize(
    "text", ["", "  ", "?!", "nothing to add", "stopped", "now", "noted", "usefully", "makes sense"]
)
def test_comment_is_not_an_instruction(text: str) -> None:
    assert not is_new_instruction(text, None)


def test_write_command_is_an_instruction_and_read_command_is_not() -> None:
    look_command = AGENT.commands.commands[0].model_copy(update={"say": ("look around",), "step": {"intent": "look"}})
    question_command = look_command.model_copy(update={"say": ("where",), "step": {"intent": "request_human_input"}})
    commands = AGENT.commands.model_copy(
        update={"commands": (*AGENT.commands.commands, look_command, question_command)}
    )
    agent = replace(AGENT, commands=commands)
    assert is_new_instruction("ship production", agent)
    assert is_new_instruction("where?", agent)
    assert not is_new_instruction("look around", agent)
    assert not is_new_instruction("ship production", None)


# Any message


REQUESTS = [
    None,
    approval(),
    approval(ANY_PERSON),
    approval(purpose="budget", tool="extend_budget"),
    question(ANY_PERSON),
    question(ANY_PERSON, choices=("approve", "run again"), format="multiple_choice"),
    question(ANY_PERSON, purpose="outcome", choices=OUTCOMES),
    question(ANY_PERSON, purpose="handover"),
]


def test_messages_are_recorded_beside_every_kind_of_request() -> None:
    assert {r.purpose for r in REQUESTS if r} == set(get_args(Purpose))


@given(
    st.sampled_from(REQUESTS),
    st.text(max_size=40) | st.sampled_from([*TEXTS, "approve", "approve ABCDE", "deny", "/approve ABCDE", "run again"]),
    st.sampled_from([ALICE, BOB, CAROL, STRANGER]),
    st.sampled_from(Provenance),
    st.integers(0, 4000),
)
def test_no_message_ever_approves_denies_or_edits(open_request, text, by, provenance, seconds) -> None:
    state = ThreadState(requests=(open_request,) if open_request else (), requester=ALICE)
    message = incoming_message(text, by, NOW + timedelta(seconds=seconds), provenance=provenance)
    events = events_for_message(state, message, people=PEOPLE, agent=AGENT)
    assert [e.text for e in events if isinstance(e, MessageReceived)] == [text]
    assert len(events) <= 2
    for event in events:
        if isinstance(event, RequestAnswered):
            assert open_request is not None
            assert (open_request.kind, open_request.purpose in ("question", "handover")) == ("question", True)
            assert (event.status, event.answer.decision, event.arguments) == ("answered", "answer", None)


def answer_text(open_request: Request, text: str) -> str | None:
    (*_, event) = events_for_message(
        ThreadState(requests=(open_request,)), incoming_message(text, BOB), people=PEOPLE, agent=AGENT
    )
    assert isinstance(event, RequestAnswered)
    assert event.request_id == open_request.id
    return event.answer.text
