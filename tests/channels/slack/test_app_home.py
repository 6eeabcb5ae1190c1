"""Tests of the App Home: the linked person, open requests and threads."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from agents.core.people import Person
from agents.core.values import Address
from channels.slack.app_home import PendingRequest, SlackOverview, ThreadRow, render_app_home
from tests.agents.factories import approval, question
from tests.channels.slack.overview_strategies import (
    ALICE_ADDRESS,
    HOSTILE,
    LINK,
    NOW,
    is_inert,
    overviews,
    visible_texts,
)
from tests.channels.slack.slack_client import slack_client
from tests.fakes.slack.slack import fake_slack
from tests.fakes.slack.view import check_view
from tests.harness.people import SLACK_PEOPLE, with_roles

ALICE, BOB, _ = with_roles(SLACK_PEOPLE, alice=("release", "oncall"), bob=()).members


def home_texts(**fields: Any) -> list[str]:
    return visible_texts(render_app_home(SlackOverview(ALICE_ADDRESS, **fields)))


def accessories(**fields: Any) -> list[dict[str, Any]]:
    return [
        block["accessory"]
        for block in render_app_home(SlackOverview(ALICE_ADDRESS, **fields))["blocks"]
        if "accessory" in block
    ]


def test_linked_person_sees_name_and_roles() -> None:
    assert home_texts(person=ALICE)[0] == "You are Alice Ng (alice), with the roles release, oncall."
    assert home_texts(person=BOB)[0] == "You are Bob Ito (bob), without a role."


def test_unlinked_user_sees_the_line_for_the_configuration() -> None:
    assert home_texts()[0].endswith('slack = "T0HOME/U0ALICE"')


def test_empty_home_says_that_nothing_is_pending() -> None:
    assert home_texts()[1:] == [
        "Waiting for you",
        "No requests are waiting for you.",
        "Your threads",
        "You have no threads. Mention me in a channel, or send me a direct message.",
    ]


def test_request_shows_its_details_and_a_link_to_the_card() -> None:
    request = approval(arguments={"where": "production"}, opened_at=NOW - timedelta(seconds=1800))
    assert home_texts(pending_requests=(PendingRequest(request, "C0OPS", LINK),))[2:7] == [
        "walker wants to run push (where: production)",
        "Open the card",
        "code ABCDE",
        "asked for by alice",
        "open until <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
    ]
    assert [button["url"] for button in accessories(pending_requests=(PendingRequest(request, "C0OPS", LINK),))] == [
        LINK
    ]


@pytest.mark.parametrize(
    ("channel", "location"),
    [
        ("C0OPS", "see the thread in <#C0OPS>"),
        ("D0ALICE", "see your direct messages with me"),
        (None, "see the thread"),
    ],
)
@pytest.mark.parametrize("link", [None, "javascript:alert(1)", "https://x/" + "x" * 3000])
def test_request_without_a_link_names_its_location(channel: str | None, location: str, link: str | None) -> None:
    pending = (PendingRequest(question(), channel, link),)
    assert location in home_texts(pending_requests=pending)
    assert accessories(pending_requests=pending) == []


def test_expired_request_that_is_kept_open_stays_open() -> None:
    assert "stays open" in home_texts(pending_requests=(PendingRequest(approval(is_kept_open=True)),))


@pytest.mark.parametrize(
    ("status", "text"), [("running", "running"), ("waiting_for_human", "waiting for a person"), ("done", "done")]
)
def test_thread_shows_its_first_message_and_status(status: Any, text: str) -> None:
    assert home_texts(threads=(ThreadRow("deploy", status, "what is deployed?", NOW, LINK),))[4:] == [
        "what is deployed?",
        "Open the thread",
        "deploy",
        text,
        "last change <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
    ]


def test_home_says_that_there_are_more_rows() -> None:
    row = ThreadRow("deploy", "done", "hi", NOW)
    texts = home_texts(pending_requests=(PendingRequest(question()),) * 13, threads=(row,) * 13)
    assert texts.count("There are more; only 12 are shown here.") == 2
    texts = home_texts(pending_requests=(PendingRequest(question()),) * 12, threads=(row,) * 12)
    assert not [text for text in texts if text.startswith("There are more")]


def test_untrusted_text_is_one_line_with_hidden_characters_escaped() -> None:
    texts = home_texts(threads=(ThreadRow("deploy", "done", HOSTILE, NOW),))
    assert "<!channel> <@U0BOSS> <https://evil.example|docs> & *so* :boom:\\n\\u202e!" in texts


def test_largest_home_is_within_slack_limits() -> None:
    long = "x" * 3000
    request = approval(arguments={long: long}, requester=Address("slack:" + "U" * 300))
    row = ThreadRow(long, "waiting_for_human", long, NOW, LINK)
    full = SlackOverview(
        ALICE_ADDRESS, Person(key="alice", name=long), (PendingRequest(request, "C0OPS", "x"),) * 99, (row,) * 99
    )
    check_view(render_app_home(full), "home")


@given(overviews)
def test_any_overview_is_valid_and_inert(overview: SlackOverview) -> None:
    view = render_app_home(overview)
    check_view(view, "home")
    assert is_inert(view["blocks"])


async def test_home_tab_is_published() -> None:
    async with fake_slack() as slack:
        alice = slack.add_person("alice", "U0ALICE")
        view = render_app_home(SlackOverview(ALICE_ADDRESS, ALICE, (PendingRequest(question()),)))
        async with slack_client(slack) as client:
            await client.call("views.publish", user_id="U0ALICE", view=view)
        await alice.wait_for_home_tab("You are Alice Ng")
