from typing import Any

import pytest
from hypothesis import given

from agents.addresses import person
from agents.messages import Assurance
from agents.people import Person
from agents.requests import GivenAnswer, Request
from channels.slack.notices import (
    SUBCOMMANDS,
    Notice,
    approvals_notice,
    help_notice,
    refusal_notice,
    status_notice,
    unknown_notice,
    whoami_notice,
)
from channels.slack.overview import Conversation, Overview, Waiting
from tests.agents.samples import approval, question
from tests.channels.slack.overviews import AT, BY, HOSTILE, hostile, is_inert, overviews, words
from tests.fakes.slack.limits import check_blocks

ALICE = Person(key="alice", name="Alice Ng", roles=("release",))
ESCAPED = "&lt;!channel&gt; &lt;@U0BOSS&gt; &lt;https://evil.example|docs&gt; &amp; *so* :boom:"


def approved(by: str) -> Request:
    answer = GivenAnswer(
        by=person(by), channel=BY, assurance=Assurance.HIGH, decision="approve", at=AT, counted=True, comment=HOSTILE
    )
    return approval(status="approved", answers=(answer,))


@pytest.mark.parametrize(
    "notice",
    [
        help_notice(),
        unknown_notice("dance"),
        status_notice(Overview(BY)),
        approvals_notice(Overview(BY)),
        whoami_notice(Overview(BY)),
        refusal_notice("too late"),
    ],
)
def test_what_one_person_is_told_nobody_else_sees_and_no_card_goes_for_it(notice: Notice) -> None:
    assert (notice["response_type"], notice["replace_original"]) == ("ephemeral", False)
    assert notice["text"]


def test_help_names_every_subcommand_and_what_the_agent_understands() -> None:
    told = help_notice("I am deploy. You can tell me:\n- list tags: lists the newest tags")["text"]
    assert all(f"/handrail {name}: {does}" in told for name, does in SUBCOMMANDS.items())
    assert "- list tags: lists the newest tags" in told.splitlines()


def test_an_unknown_subcommand_is_quoted_and_those_there_are_are_named() -> None:
    assert (
        unknown_notice("dance")["text"] == "I do not know “dance”. There are: status, approvals, whoami, cancel, help."
    )
    assert "&lt;!channel&gt;" in unknown_notice(HOSTILE)["text"]


def test_the_status_lists_threads_and_counts_requests() -> None:
    row = Conversation("deploy", "running", "what is deployed?", AT)
    notice = status_notice(Overview(BY, ALICE, (Waiting(question()),), (row,)))
    assert notice["text"] == "1 open request for you, 1 of your threads"
    assert words(notice["blocks"])[1] == "what is deployed?"


def test_approvals_lists_what_waits() -> None:
    notice = approvals_notice(Overview(BY, ALICE, (Waiting(approval()), Waiting(question(question="Where to?")))))
    assert notice["text"] == "2 open requests for you"
    told = words(notice["blocks"])
    assert "walker asks: Where to?" in told
    assert told.count("code ABCDE") == 2


def test_whoami_tells_a_person_their_name_and_a_stranger_their_address() -> None:
    assert whoami_notice(Overview(BY, ALICE))["text"] == "You are Alice Ng (alice), with the roles release."
    assert "T0HOME/U0ALICE" in whoami_notice(Overview(BY))["text"]


@pytest.mark.parametrize(
    ("error", "request_", "told"),
    [
        ("whoever asked may not approve it", None, ["This did not count: whoever asked may not approve it"]),
        ("you may not do this", approval(), ["This did not count: you may not do this"]),
        ("it ran out", approval(status="expired"), ["It ended so: nobody answered in time."]),
        (
            "request ABCDE is settled: approved",
            approved("bob"),
            ["request ABCDE is settled", "approved by bob (slack)"],
        ),
    ],
)
def test_a_click_that_did_not_count_is_explained(error: str, request_: Request | None, told: list[str]) -> None:
    notice = refusal_notice(error, request_)
    assert all(text in notice["text"] for text in told)
    assert ("It ended so" in notice["text"]) == (request_ is not None and request_.status != "open")


def test_text_of_others_is_escaped_where_slack_reads_it_and_plain_where_it_does_not() -> None:
    notice = refusal_notice(HOSTILE)
    assert ESCAPED in notice["text"]
    assert HOSTILE.split("\n")[0] in words(notice["blocks"])[0]
    assert "\\u202e" in notice["text"]


def fits(notice: Notice) -> None:
    check_blocks(notice["blocks"])
    assert is_inert(notice["blocks"])
    assert 0 < len(notice["text"]) <= 3000
    assert "<" not in notice["text"]


@given(overviews)
def test_any_overview_fits_a_notice(overview: Overview) -> None:
    for notice in (status_notice(overview), approvals_notice(overview), whoami_notice(overview)):
        fits(notice)


@given(hostile, hostile)
def test_any_words_fit_a_notice(one: str, other: str) -> None:
    settled: Any = approval(status="superseded", question=other)
    for notice in (help_notice(one), unknown_notice(one), refusal_notice(one), refusal_notice(other, settled)):
        fits(notice)
