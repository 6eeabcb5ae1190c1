from typing import Any

import pytest
from hypothesis import given

from agents.addresses import person_address
from agents.messages import Assurance
from agents.people import Person
from agents.requests import RecordedAnswer, Request
from channels.slack.command_replies import (
    SUBCOMMANDS,
    EphemeralReply,
    approvals_reply,
    help_reply,
    rejection_reply,
    status_reply,
    unknown_subcommand_reply,
    whoami_reply,
)
from channels.slack.overview import Overview, PendingRequest, ThreadSummary
from tests.agents.factories import approval, question
from tests.channels.slack.overview_strategies import AT, BY, HOSTILE, hostile_texts, is_inert, overviews, visible_texts
from tests.fakes.slack.limits import check_blocks

ALICE = Person(key="alice", name="Alice Ng", roles=("release",))
ESCAPED = "&lt;!channel&gt; &lt;@U0BOSS&gt; &lt;https://evil.example|docs&gt; &amp; *so* :boom:"


def approved(by: str) -> Request:
    answer = RecordedAnswer(
        by=person_address(by),
        channel=BY,
        assurance=Assurance.HIGH,
        decision="approve",
        at=AT,
        counted=True,
        comment=HOSTILE,
    )
    return approval(status="approved", answers=(answer,))


@pytest.mark.parametrize(
    "notice",
    [
        help_reply(),
        unknown_subcommand_reply("dance"),
        status_reply(Overview(BY)),
        approvals_reply(Overview(BY)),
        whoami_reply(Overview(BY)),
        rejection_reply("too late"),
    ],
)
def test_what_one_person_is_told_nobody_else_sees_and_no_card_goes_for_it(notice: EphemeralReply) -> None:
    assert (notice["response_type"], notice["replace_original"]) == ("ephemeral", False)
    assert notice["text"]


def test_help_names_every_subcommand_and_what_the_agent_understands() -> None:
    told = help_reply("I am deploy. You can tell me:\n- list tags: lists the newest tags")["text"]
    assert all(f"/handrail {name}: {does}" in told for name, does in SUBCOMMANDS.items())
    assert "- list tags: lists the newest tags" in told.splitlines()


def test_an_unknown_subcommand_is_quoted_and_those_there_are_are_named() -> None:
    assert (
        unknown_subcommand_reply("dance")["text"]
        == "I do not know “dance”. There are: status, approvals, whoami, cancel, help."
    )
    assert "&lt;!channel&gt;" in unknown_subcommand_reply(HOSTILE)["text"]


def test_the_status_lists_threads_and_counts_requests() -> None:
    row = ThreadSummary("deploy", "running", "what is deployed?", AT)
    notice = status_reply(Overview(BY, ALICE, (PendingRequest(question()),), (row,)))
    assert notice["text"] == "1 open request for you, 1 of your threads"
    assert visible_texts(notice["blocks"])[1] == "what is deployed?"


def test_approvals_lists_what_waits() -> None:
    notice = approvals_reply(
        Overview(BY, ALICE, (PendingRequest(approval()), PendingRequest(question(question="Where to?"))))
    )
    assert notice["text"] == "2 open requests for you"
    told = visible_texts(notice["blocks"])
    assert "walker asks: Where to?" in told
    assert told.count("code ABCDE") == 2


def test_whoami_tells_a_person_their_name_and_a_stranger_their_address() -> None:
    assert whoami_reply(Overview(BY, ALICE))["text"] == "You are Alice Ng (alice), with the roles release."
    assert "T0HOME/U0ALICE" in whoami_reply(Overview(BY))["text"]


@pytest.mark.parametrize(
    ("error", "request_", "told"),
    [
        ("whoever asked may not approve it", None, ["This did not count: whoever asked may not approve it"]),
        ("you may not do this", approval(), ["This did not count: you may not do this"]),
        ("it ran out", approval(status="expired"), ["It ended so: no answer in time."]),
        (
            "request ABCDE is settled: approved",
            approved("bob"),
            ["request ABCDE is settled", "approved by bob (slack)"],
        ),
    ],
)
def test_a_click_that_did_not_count_is_explained(error: str, request_: Request | None, told: list[str]) -> None:
    notice = rejection_reply(error, request_)
    assert all(text in notice["text"] for text in told)
    assert ("It ended so" in notice["text"]) == (request_ is not None and request_.status != "open")


def test_text_of_others_is_escaped_where_slack_reads_it_and_plain_where_it_does_not() -> None:
    notice = rejection_reply(HOSTILE)
    assert ESCAPED in notice["text"]
    assert HOSTILE.split("\n")[0] in visible_texts(notice["blocks"])[0]
    assert "\\u202e" in notice["text"]


def fits(notice: EphemeralReply) -> None:
    check_blocks(notice["blocks"])
    assert is_inert(notice["blocks"])
    assert 0 < len(notice["text"]) <= 3000
    assert "<" not in notice["text"]


@given(overviews)
def test_any_overview_fits_a_notice(overview: Overview) -> None:
    for notice in (status_reply(overview), approvals_reply(overview), whoami_reply(overview)):
        fits(notice)


@given(hostile_texts, hostile_texts)
def test_any_words_fit_a_notice(one: str, other: str) -> None:
    settled: Any = approval(status="superseded", question=other)
    for notice in (
        help_reply(one),
        unknown_subcommand_reply(one),
        rejection_reply(one),
        rejection_reply(other, settled),
    ):
        fits(notice)
