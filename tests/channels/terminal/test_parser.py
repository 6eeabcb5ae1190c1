"""Parsing of lines typed in a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.commands import (
    ActAs,
    AnswerQuestion,
    Approve,
    ArgumentChanges,
    ControlThread,
    Deny,
    Edit,
    ListAgents,
    ListRequests,
    ListThreads,
    ParseError,
    Quit,
    Say,
    ShowHelp,
    StartThread,
    SwitchThread,
    WhoAmI,
    answer_body,
)
from channels.terminal.parser import HELP, parse_line

CODES = st.text("23456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=5, max_size=5)
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("deploy v1.4.0 to production", Say("deploy v1.4.0 to production")),
        ("  spaces around are nothing  ", Say("spaces around are nothing")),
        ("//tmp is full", Say("/tmp is full")),
        ("/approve k7q2m", Approve("K7Q2M")),
        ("/approve [K7Q2M] go ahead", Approve("K7Q2M", "go ahead")),
        ("/APPROVE K7Q2M", Approve("K7Q2M")),
        ("/deny K7Q2M not on a Friday", Deny("K7Q2M", "not on a Friday")),
        ("/deny K7Q2M", Deny("K7Q2M")),
        ("/answer K7Q2M v1.4.0", AnswerQuestion("K7Q2M", "v1.4.0")),
        ('/edit K7Q2M {"tag": "v1.4.1"}', Edit("K7Q2M", ArgumentChanges(values={"tag": "v1.4.1"}))),
        ("/edit k7q2m tag=v1.4.1", Edit("K7Q2M", ArgumentChanges(bare_words={"tag": "v1.4.1"}))),
        ("/as Alice", ActAs("alice")),
        ("/threads", ListThreads()),
        ("/thread thr_1", SwitchThread("thr_1")),
        ("/requests", ListRequests()),
        ("/new", StartThread()),
        ("/new deploy", StartThread("deploy")),
        ("/requests all", ListRequests(is_all=True)),
        ("/approve", Approve()),
        ("/pause", ControlThread("pause")),
        ("/resume", ControlThread("resume")),
        ("/cancel", ControlThread("cancel")),
        ("/agents", ListAgents()),
        ("/whoami", WhoAmI()),
        ("/help", ShowHelp()),
        ("/quit", Quit()),
        ("/exit", Quit()),
    ],
)
def test_parses_every_command(line, command):
    assert parse_line(line) == command


@pytest.mark.parametrize("line", ["", "   ", "\t"])
def test_empty_line_is_no_command(line):
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/aprove K7Q2M", "did you mean /approve?"),
        ("/xyzzy", "see /help"),
        ("/deny", "CODE"),
        ("/answer K7Q2M", "your answer"),
        ("/edit K7Q2M v1.4.1", "tag=v1.4.1"),
        ("/edit K7Q2M [1]", "tag=v1.4.1"),
        ("/edit K7Q2M tag=v1 or so", "tag=v1.4.1"),
        (f"/edit K7Q2M {'[' * 100_000}", "tag=v1.4.1"),
        (f"/edit K7Q2M tag={'[' * 100_000}", "tag=v1.4.1"),
        ("/as", "/as alice"),
        ("/as two words", "/as alice"),
        ("/thread", "/threads"),
        ("/new --port", "agent"),
    ],
)
def test_invalid_input_gets_a_hint(line, hint):
    command = parse_line(line)
    assert isinstance(command, ParseError)
    assert hint in command.hint


@given(st.text())
def test_parser_accepts_any_line(line):
    command = parse_line(line)
    assert (command is None) == (not line.strip())


@given(CODES, st.lists(WORDS).map(" ".join))
def test_code_may_be_lower_case_and_the_rest_is_the_comment(code, comment):
    assert parse_line(f"/approve {code.lower()} {comment}") == Approve(code, comment.strip() or None)


@given(WORDS)
def test_message_is_never_a_command(text):
    command = parse_line(f"//{text}" if not text.startswith("/") else f"/{text}")
    assert isinstance(command, Say)


@pytest.mark.parametrize("usage", [usage for usage, _ in HELP])
def test_parses_every_usage_in_the_help(usage):
    bare = usage.replace("[CODE [COMMENT]]", "CODE").replace("[REASON]", "no").replace("[all]", "all")
    example = bare.replace("[AGENT]", "deploy").replace("CODE", "K7Q2M").replace("ID", "thr_1")
    assert not isinstance(parse_line(example), ParseError)


def test_edit_body_includes_the_unchanged_arguments():
    edit = Edit("K7Q2M", ArgumentChanges(bare_words={"tag": "v2"}))
    assert answer_body(edit, {"tag": "v1", "place": "here"}) == {
        "decision": "edit",
        "arguments": {"tag": "v2", "place": "here"},
    }
