"""Tests of the replies to the `/handrail` slash command."""

import pytest
from hypothesis import given

from channels.slack.app_home import PendingRequest, SlackOverview, ThreadRow
from channels.slack.listeners.commands import (
    SUBCOMMANDS,
    EphemeralReply,
    approvals_reply,
    help_reply,
    rejection_reply,
    status_reply,
    unknown_subcommand_reply,
    whoami_reply,
)
from tests.agents.factories import approval, question
from tests.channels.slack.overview_strategies import (
    ALICE_ADDRESS,
    HOSTILE,
    NOW,
    hostile_texts,
    is_inert,
    overviews,
    visible_texts,
)
from tests.fakes.slack.limits import check_blocks
from tests.harness.people import SLACK_PEOPLE

ALICE = SLACK_PEOPLE.members[0]
ESCAPED = "&lt;!channel&gt; &lt;@U0BOSS&gt; &lt;https://evil.example|docs&gt; &amp; *so* :boom:"


@pytest.mark.parametrize(
    "reply",
    [
        help_reply(),
        unknown_subcommand_reply("dance"),
        status_reply(SlackOverview(ALICE_ADDRESS)),
        approvals_reply(SlackOverview(ALICE_ADDRESS)),
        whoami_reply(SlackOverview(ALICE_ADDRESS)),
        rejection_reply("too late"),
    ],
)
def test_replies_are_ephemeral_and_replace_no_message(reply: EphemeralReply) -> None:
    assert (reply["response_type"], reply["replace_original"]) == ("ephemeral", False)
    assert reply["text"]


def test_help_lists_subcommands_and_the_agent_help() -> None:
    text = help_reply("I am deploy. You can tell me:\n- list tags: lists the newest tags")["text"]
    assert all(f"/handrail {name}: {description}" in text for name, description in SUBCOMMANDS.items())
    assert "- list tags: lists the newest tags" in text.splitlines()


def test_unknown_subcommand_reply_lists_the_known_ones() -> None:
    assert (
        unknown_subcommand_reply("dance")["text"]
        == "Unknown command “dance”. Use one of these: status, approvals, whoami, cancel, help."
    )
    assert "&lt;!channel&gt;" in unknown_subcommand_reply(HOSTILE)["text"]


def test_status_lists_threads_and_counts_requests() -> None:
    row = ThreadRow("deploy", "running", "what is deployed?", NOW)
    reply = status_reply(SlackOverview(ALICE_ADDRESS, ALICE, (PendingRequest(question()),), (row,)))
    assert reply["text"] == "1 open request for you, 1 thread of yours"
    assert visible_texts(reply["blocks"])[1] == "what is deployed?"


def test_approvals_lists_pending_requests() -> None:
    reply = approvals_reply(
        SlackOverview(
            ALICE_ADDRESS, ALICE, (PendingRequest(approval()), PendingRequest(question(question="Where to?")))
        )
    )
    assert reply["text"] == "2 open requests for you"
    texts = visible_texts(reply["blocks"])
    assert "walker asks: Where to?" in texts
    assert texts.count("code ABCDE") == 2


def test_whoami_shows_the_person_or_the_address() -> None:
    assert whoami_reply(SlackOverview(ALICE_ADDRESS, ALICE))["text"] == "You are Alice Ng (alice), with the roles dev."
    assert "T0HOME/U0ALICE" in whoami_reply(SlackOverview(ALICE_ADDRESS))["text"]


def test_rejected_command_is_explained() -> None:
    reply = rejection_reply("you have no active thread")
    assert reply["text"] == "The command was not carried out: you have no active thread"


def test_untrusted_text_is_escaped_in_mrkdwn_only() -> None:
    reply = rejection_reply(HOSTILE)
    assert ESCAPED in reply["text"]
    assert HOSTILE.split("\n")[0] in visible_texts(reply["blocks"])[0]
    assert "\\u202e" in reply["text"]


def check_reply(reply: EphemeralReply) -> None:
    check_blocks(reply["blocks"])
    assert is_inert(reply["blocks"])
    assert 0 < len(reply["text"]) <= 3000
    assert "<" not in reply["text"]


@given(overviews)
def test_any_overview_yields_valid_replies(overview: SlackOverview) -> None:
    for reply in (status_reply(overview), approvals_reply(overview), whoami_reply(overview)):
        check_reply(reply)


@given(hostile_texts)
def test_any_text_yields_valid_replies(text: str) -> None:
    for reply in (help_reply(text), unknown_subcommand_reply(text), rejection_reply(text)):
        check_reply(reply)
