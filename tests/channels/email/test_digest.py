"""A digest mail has a line, the arguments and the code of each request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import Assurance, CardField, Explanation
from channels.email.digest import render_digest
from channels.email.reply_text import DELIMITER
from tests.channels.email.cards import create_card, create_question
from tests.channels.email.command_texts import TEXTS, both_texts, commands_in

SHORT, LONG = CardField(name="tag", value="v1"), CardField(name="tag", value="x" * 300)


def test_digest_shows_each_request_and_how_to_answer_it():
    cards = [
        create_card(fields=(SHORT, CardField(name="force", value="true"))),
        create_card(code="B2C3D", title="dns wants to run set_record", fields=()),
        create_question(code="X4Y5Z", choices=("eu", "us")),
    ]
    mail = render_digest(cards)
    assert mail.subject == "3 requests wait for your answer"
    assert mail.text.startswith(f"{DELIMITER}\n\nReply with one line")
    for text in both_texts(mail):
        assert "K7P2Q: deploy wants to run push_release_tag\ntag: v1; force: true\nasked for by Alice Ng\n" in text
        assert "“APPROVE K7P2Q” to approve, “DENY K7P2Q” to deny" in text
        assert "“APPROVE B2C3D” to approve, “DENY B2C3D” to deny" in text
        assert "“ANSWER X4Y5Z 1” to answer: 1. eu; 2. us" in text
    assert mail.text.count("Answer on a page: https://handrail.test/a/secret-token") == 3
    assert mail.html.count('Answer on a page: <a href="https://handrail.test/a/secret-token">https://handrail') == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fields": (LONG,)}, "so read and approve it on its page"),
        ({"fields": (LONG,), "link": ""}, "so read and approve it with `handrail requests show K7P2Q`"),
        ({"title": "x" * 300}, "so read and approve it on its page"),
        ({"is_truncated": True}, ""),
        ({"min_assurance": Assurance.HIGH}, ""),
        ({"may_approve": False}, ""),
    ],
)
def test_card_that_is_not_shown_completely_can_only_be_denied(changes, reason):
    for text in both_texts(render_digest([create_card(**changes)])):
        assert "“DENY K7P2Q” to deny" in text
        assert reason in text
        assert "APPROVE" not in text
        assert "x" * 250 not in text


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
def test_no_wrapping_of_a_digest_makes_a_command(texts):
    cards = [
        create_card(
            title=title or "x", fields=(CardField(name="x", value=value),), explanation=Explanation(asked_by=title)
        )
        for title, value in texts
    ]
    mail = render_digest(cards)
    assert [commands_in(text) for text in both_texts(mail)] == [[], []]
