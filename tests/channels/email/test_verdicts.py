"""Verdicts in mails: a line that begins with a verb and a code. Any other text decides nothing."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.answer_words import VERBS
from channels.email.verdicts import MAX_COMMENT_LENGTH, ParsedReply, Problem, Verdict, parse_verdicts

FULLWIDTH = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}
APPROVAL = Verdict("approve", "K7P2Q", "")


def parse(text: str) -> ParsedReply:
    return parse_verdicts(text.split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        "APPROVE K7P2Q",
        "approve k7p2q",
        "  Approved\tK7P2Q  ",
        "**APPROVE K7P2Q**",
        "*APPROVE* K7P2Q",
        "_APPROVE_ `K7P2Q`",
        "APPROVE **K7P2Q**.",
        "APPROVE K7P2Q**",
        "~~APPROVE K7P2Q~~",
        "** APPROVE K7P2Q **",
        "`APPROVE K7P2Q`",
        "genehmigt K7P2Q",
        "Approuvé K7P2Q.",
        "APPROVE K7P2Q!",
        "APPROVE K7P2Q".translate(FULLWIDTH),
        "APPROVE\N{NO-BREAK SPACE}K7P2Q",
        "\N{ZERO WIDTH SPACE}APP\N{SOFT HYPHEN}ROVE K7\N{ZERO WIDTH NON-JOINER}P2Q",
        "\N{LEFT-TO-RIGHT MARK}APPROVE K7P2Q\N{RIGHT-TO-LEFT MARK}",
    ],
)
def test_verb_and_code_on_a_line_are_a_verdict(line: str) -> None:
    assert parse(line) == ParsedReply((APPROVAL,))
    assert parse(f"CAUTION: external sender\n\n{line}") == ParsedReply((APPROVAL,))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("APPROVE K7P2Q, looks good", Verdict("approve", "K7P2Q", "looks good")),
        ("APPROVE K7P2Q \N{EN DASH} looks good", Verdict("approve", "K7P2Q", "looks good")),
        ("**APPROVE K7P2Q looks good**", Verdict("approve", "K7P2Q", "looks good")),
        ("DENY K7P2Q wrong tag", Verdict("deny", "K7P2Q", "wrong tag")),
        ("abgelehnt K7P2Q\nfalscher Tag\n\nGruß\nBob", Verdict("deny", "K7P2Q", "falscher Tag\n\nGruß\nBob")),
        ("DENY K7P2Q\n\n-- \nBob\nAPPROVE K7P2Q", Verdict("deny", "K7P2Q", "")),
        ("DENY K7P2Q, I cannot approve tests", Verdict("deny", "K7P2Q", "I cannot approve tests")),
        ("ANSWER K7P2Q in the morning", Verdict("answer", "K7P2Q", "in the morning")),
        ("ANSWER K7P2Q\nin the\nmorning", Verdict("answer", "K7P2Q", "in the\nmorning")),
        ("ANSWER K7P2Q 2", Verdict("answer", "K7P2Q", "2")),
        ("EDIT K7P2Q tag=v1.4.1", Verdict("edit", "K7P2Q", "tag=v1.4.1")),
        ('EDIT K7P2Q tag=v_1_ note="two words"', Verdict("edit", "K7P2Q", 'tag=v_1_ note="two words"')),
        ('EDIT K7P2Q tag=x\nnote="two\nwords"\nThanks', Verdict("edit", "K7P2Q", 'tag=x note="two words"')),
        ("EDIT K7P2Q tag=½\n\nnote=x", Verdict("edit", "K7P2Q", "tag=½")),
    ],
)
def test_verdict_has_the_text_that_follows_it(text: str, verdict: Verdict) -> None:
    assert parse(text) == ParsedReply((verdict,))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ok",
        "yes",
        "ja",
        "👍",
        "Please approve K7P2Q",
        "I approve K7P2Q",
        "K7P2Q APPROVE",
        "K7P2Q",
        "> APPROVE K7P2Q",
        ">APPROVE K7P2Q",
        "“APPROVE K7P2Q”",
        '"APPROVE K7P2Q"',
        "APPROVE K7P2Q”",
        "(APPROVE K7P2Q)",
        "- APPROVE K7P2Q",
        "1. APPROVE K7P2Q",
        "APPROVE: K7P2Q",
        "APPROVE K7P2Q?",
        "Approuvé K7P2Q ?",
        "APPROVE/DENY K7P2Q",
        "APPROVE or DENY K7P2Q",
        "APPROVE K7P2",
        "APPROVE K7P2QX",
        "APPROVE K7P2Q-2",
        "APPROVE K7P2O",
        "\N{CYRILLIC CAPITAL LETTER A}PPROVE K7P2Q",
        "APPROVEK7P2Q",
        "do not APPROVE K7P2Q",
        "Antwort",
        "Edit:",
    ],
)
def test_other_line_is_no_verdict_and_no_problem(line: str) -> None:
    assert parse(line) == ParsedReply()


def test_each_of_several_lines_decides_its_request() -> None:
    reply = parse("APPROVE K7P2Q\nDENY ABCDE not today\nANSWER FGHJK 2")
    expected = (APPROVAL, Verdict("deny", "ABCDE", "not today"), Verdict("answer", "FGHJK", "2"))
    assert reply == ParsedReply(expected)


def test_repeated_verdict_counts_once() -> None:
    assert parse("APPROVE K7P2Q\napproved k7p2q again") == ParsedReply((APPROVAL,))


@pytest.mark.parametrize(
    ("text", "kind", "number", "code"),
    [
        ("APPROVE", "no_code", 1, ""),
        ("\n**Deny!**", "no_code", 2, ""),
        ("APPROVE K7P2Q\nDENY K7P2Q", "conflict", 2, "K7P2Q"),
        ("APPROVE K7P2Q\nANSWER K7P2Q yes", "conflict", 2, "K7P2Q"),
        ("APPROVE K7P2Q\nEDIT K7P2Q tag=x", "conflict", 2, "K7P2Q"),
        ("EDIT K7P2Q tag=x\nEDIT K7P2Q tag=y", "repeated_other", 2, "K7P2Q"),
        ("ANSWER K7P2Q 1\nANSWER K7P2Q 2", "repeated_other", 2, "K7P2Q"),
        ("APPROVE K7P2Q DENY K7P2Q", "two_on_a_line", 1, "K7P2Q"),
        ("approve k7p2q, deny k7p2q", "two_on_a_line", 1, "K7P2Q"),
        ("APPROVE K7P2Q, APPROVE ABCDE", "two_on_a_line", 1, "K7P2Q"),
        ("APPROVE K7P2Q, APPROVE ABCDE\nAPPROVE ABCDE", "two_on_a_line", 1, "K7P2Q"),
    ],
)
def test_ambiguous_mail_has_a_problem_and_no_verdict(text: str, kind: str, number: int, code: str) -> None:
    assert parse(text) == ParsedReply(problems=(Problem(kind, number, code),))


@pytest.mark.parametrize(
    "text", ["APPROVE K7P2Q\n\nDENY", "DENY\nAPPROVE K7P2Q", "EDIT K7P2Q a=b\nreject", "DENY K7P2Q\nApproved."]
)
def test_verb_without_code_contradicts_the_opposite_verdict(text: str) -> None:
    reply = parse(text)
    assert reply.verdicts == ()
    assert {problem.kind for problem in reply.problems} == {"no_code", "conflict"}


def test_verb_without_code_does_not_contradict_the_same_verdict() -> None:
    reply = parse("APPROVE K7P2Q\nAPPROVE")
    assert reply == ParsedReply((APPROVAL,), (Problem("no_code", 2),))


def test_contradiction_leaves_other_requests_decided() -> None:
    reply = parse("APPROVE K7P2Q\nDENY ABCDE\nAPPROVE ABCDE")
    assert reply == ParsedReply((APPROVAL,), (Problem("conflict", 3, "ABCDE"),))


def test_comment_has_a_maximum_length_and_an_answer_has_none() -> None:
    comment, answer = parse(f"DENY K7P2Q {'x' * 5_000}\nANSWER ABCDE {'y' * 5_000}").verdicts
    assert len(comment.rest) == MAX_COMMENT_LENGTH
    assert len(answer.rest) == 5_000


words = st.sampled_from(
    [
        "Please",
        "I",
        "approve",
        "APPROVE",
        "K7P2Q",
        "k7p2q",
        "not",
        "“APPROVE",
        "K7P2Q”",
        ">",
        "deny",
        "ok",
        ",",
        "**",
        "the",
    ]
)


@given(st.lists(st.lists(words, max_size=6).map(" ".join), max_size=6) | st.lists(st.text(max_size=40), max_size=6))
def test_prose_approves_only_where_a_line_begins_with_verb_and_code(lines: list[str]) -> None:
    starts = {tuple(line.replace("*", " ").upper().split()[:2]) for line in lines}
    has_start = ("APPROVE", "K7P2Q") in starts
    approvals = [verdict for verdict in parse_verdicts(lines).verdicts if verdict.verb == "approve"]
    assert approvals == [] or (has_start and [verdict.code for verdict in approvals] == ["K7P2Q"])


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cf", "Zs", "Zl", "Zp", "Cc", "Mn")), min_size=1, max_size=10
    ).filter(lambda text: text.strip("*_~`") != ""),
    st.sampled_from(sorted(VERBS)),
)
def test_verb_behind_any_other_character_is_no_verdict(prefix: str, verb: str) -> None:
    assert parse(f"{prefix} {verb} K7P2Q").verdicts == () or prefix.casefold() in VERBS
    assert parse(f"{prefix}{verb} K7P2Q").verdicts == ()


@given(
    st.lists(
        st.sampled_from(["APPROVE", "DENY", "EDIT", " ", "K7P2Q", "ABCDE", "\n", "x", "*", "a=b", '"', "-- \n"]),
        max_size=20,
    ).map("".join)
)
def test_no_code_has_two_verdicts_or_a_verdict_and_a_problem(text: str) -> None:
    reply = parse(text)
    codes = [verdict.code for verdict in reply.verdicts]
    assert len(codes) == len(set(codes))
    assert not set(codes) & {problem.code for problem in reply.problems}


@given(st.integers(1, 100), st.sampled_from(["", "> ", "| ", ">"]))
def test_quoted_instructions_never_decide_however_they_are_wrapped(width: int, prefix: str) -> None:
    text = "To approve, reply with “APPROVE K7P2Q” or “DENY K7P2Q REASON” on a line of its own."
    lines = [f"{prefix}{line}" for line in textwrap.wrap(text, width, break_long_words=False)]
    assert parse_verdicts(lines).verdicts == ()
