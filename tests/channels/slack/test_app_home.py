from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from agents.addresses import Address
from agents.people import Person
from channels.slack.app_home import render_app_home
from channels.slack.overview import Overview, PendingRequest, ThreadSummary
from tests.agents.factories import approval, question
from tests.channels.slack.overview_strategies import AT, BY, HOSTILE, LINK, is_inert, overviews, visible_texts
from tests.channels.slack.slack_client import slack_client
from tests.fakes.slack.slack import fake_slack
from tests.fakes.slack.view import check_view

ALICE = Person(key="alice", name="Alice Ng", roles=("release", "oncall"))


def shown(**given: Any) -> list[str]:
    return visible_texts(render_app_home(Overview(BY, **given)))


def accessories(**given: Any) -> list[dict[str, Any]]:
    return [block["accessory"] for block in render_app_home(Overview(BY, **given))["blocks"] if "accessory" in block]


def test_somebody_we_know_sees_their_name_and_their_roles() -> None:
    assert shown(person=ALICE)[0] == "You are Alice Ng (alice), with the roles release, oncall."
    assert shown(person=Person(key="bob", name="Bob"))[0] == "You are Bob (bob), without a role."


def test_a_stranger_sees_what_to_write_into_the_configuration() -> None:
    assert shown()[0].endswith('slack = "T0HOME/U0ALICE"')


def test_nothing_to_do_is_told_as_well() -> None:
    assert shown()[1:] == [
        "Waiting for you",
        "Nothing waits for you.",
        "Your threads",
        "You have asked for nothing yet. Mention me in a channel, or write to me.",
    ]


def test_a_request_tells_what_is_asked_by_whom_until_when_and_leads_to_its_card() -> None:
    request = approval(arguments={"where": "production"}, opened_at=AT - timedelta(seconds=1800))
    assert shown(pending_requests=(PendingRequest(request, "C0OPS", LINK),))[2:7] == [
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
    ("channel", "told"),
    [
        ("C0OPS", "look in the thread, in <#C0OPS>"),
        ("D0ALICE", "look in your messages with me"),
        (None, "look in the thread"),
    ],
)
@pytest.mark.parametrize("link", [None, "javascript:alert(1)", "https://x/" + "x" * 3000])
def test_without_a_link_a_request_tells_where_to_look(channel: str | None, told: str, link: str | None) -> None:
    waiting = (PendingRequest(question(), channel, link),)
    assert told in shown(pending_requests=waiting)
    assert accessories(pending_requests=waiting) == []


def test_a_request_that_is_held_has_no_end() -> None:
    assert "stays open" in shown(pending_requests=(PendingRequest(approval(is_kept_open=True)),))


@pytest.mark.parametrize(
    ("status", "doing"), [("running", "running"), ("waiting_for_human", "waits for a person"), ("done", "done")]
)
def test_a_thread_tells_what_was_asked_and_what_it_is_doing(status: Any, doing: str) -> None:
    assert shown(threads=(ThreadSummary("deploy", status, "what is deployed?", AT, LINK),))[4:] == [
        "what is deployed?",
        "Open the thread",
        "deploy",
        doing,
        "last change <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
    ]


def test_it_is_told_that_there_are_more_than_are_shown() -> None:
    row = ThreadSummary("deploy", "done", "hi", AT)
    told = shown(pending_requests=(PendingRequest(question()),) * 13, threads=(row,) * 13)
    assert [text for text in told if text.startswith("and ")] == ["and more, which are not shown here"] * 2
    told = shown(pending_requests=(PendingRequest(question()),) * 12, threads=(row,) * 12)
    assert not [text for text in told if text.startswith("and ")]


def test_text_of_others_takes_one_line_and_shows_what_it_hides() -> None:
    told = shown(threads=(ThreadSummary("deploy", "done", HOSTILE, AT),))
    assert "<!channel> <@U0BOSS> <https://evil.example|docs> & *so* :boom:\\n\\u202e!" in told


def test_the_fullest_home_fits() -> None:
    long = "x" * 3000
    asked = approval(arguments={long: long}, requester=Address("slack:" + "U" * 300))
    row = ThreadSummary(long, "waiting_for_human", long, AT, LINK)
    full = Overview(BY, Person(key="alice", name=long), (PendingRequest(asked, "C0OPS", "x"),) * 99, (row,) * 99)
    check_view(render_app_home(full), "home")


@given(overviews)
def test_any_overview_fits_and_nothing_of_others_works_in_it(overview: Overview) -> None:
    view = render_app_home(overview)
    check_view(view, "home")
    assert is_inert(view["blocks"])


async def test_a_home_tab_is_published() -> None:
    async with fake_slack() as slack:
        alice = slack.add_person("alice", "U0ALICE")
        view = render_app_home(Overview(BY, ALICE, (PendingRequest(question()),)))
        async with slack_client(slack) as client:
            await client.call("views.publish", user_id="U0ALICE", view=view)
        await alice.wait_for_home_tab("You are Alice Ng")
