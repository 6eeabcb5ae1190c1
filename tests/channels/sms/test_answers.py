"""The grammar of answers in short messages."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.core.values import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH
from channels.sms.answers import HELP_WORDS, START_WORDS, STOP_WORDS, CodeAnswer, parse_text

CODE, OTHER = "A7K2X", "B3M9T"


def decisions(text: str) -> list[tuple[str, str | None, str]]:
    return [(answer.code, answer.verb, answer.rest) for answer in parse_text(text).answers]


@pytest.mark.parametrize(
    "text",
    [
        "A7K2X ok", "a7k2x OK", "OK A7K2X", "ok a7k2x", "A7K2XOK", "okA7K2X", " A7K2X  ok ", "'A7K2X ok'", '"A7K2X ok"',
        "“A7K2X ok”", "A7K2X: ok", "A7K2X ok.", "ok, A7K2X", "A7K2X\nok", "Genehmigt A7K2X", "A7K2X freigegeben",
        "approve A7K2X", "A7K2X approuvé", "A7K2X apruebo", "A7K2X goedgekeurd",
        "\uff21\uff17\uff2b\uff12\uff38 \uff4f\uff4b", "A7K\u200b2X ok",
    ],
)  # fmt: skip
def test_code_and_verb_in_either_order_approve(text: str) -> None:
    assert decisions(text) == [(CODE, "approve", "")]


@pytest.mark.parametrize("word", ["NO", "no", "nein", "non", "não", "deny", "abgelehnt", "refusé", "rechazado"])
def test_denial_has_a_reason(word: str) -> None:
    reason = "wrong tag, please take v1.4.1"
    assert decisions(f"{CODE} {word} {reason}") == [(CODE, "deny", reason)]
    assert decisions(f"{word} {CODE} {reason}") == [(CODE, "deny", reason)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A7K2X OK, B3M9T NO", [(CODE, "approve", ""), (OTHER, "deny", "")]),
        ("A7K2X OK\nB3M9T NO too late", [(CODE, "approve", ""), (OTHER, "deny", "too late")]),
        ("A7K2X no, not on Friday; ok B3M9T", [(CODE, "deny", "not on Friday"), (OTHER, "approve", "")]),
        ("A7K2X tag=v1.4.1, B3M9T NO", [(CODE, None, "tag=v1.4.1"), (OTHER, "deny", "")]),
        ('A7K2X note="a, b", B3M9T 2', [(CODE, None, 'note="a, b"'), (OTHER, None, "2")]),
    ],
)
def test_several_answers_stand_between_commas_or_on_lines(
    text: str, expected: list[tuple[str, str | None, str]]
) -> None:
    assert decisions(text) == expected


@pytest.mark.parametrize(("text", "rest"), [("A7K2X 2", "2"), ("A7K2X tag=v1.4.1 force=true", "tag=v1.4.1 force=true")])
def test_choice_and_edit_follow_the_code(text: str, rest: str) -> None:
    assert parse_text(text).answers == (CodeAnswer(CODE, None, rest, rest),)


@pytest.mark.parametrize("word", sorted(STOP_WORDS | START_WORDS | HELP_WORDS))
@pytest.mark.parametrize("decorate", ["{}", " {} ", "{}.", "“{}”"])
def test_words_of_carriers_are_never_a_decision(word: str, decorate: str) -> None:
    for form in (word, word.upper(), word.title()):
        assert parse_text(decorate.format(form)).kind in ("stop", "start", "help")


@pytest.mark.parametrize("text", ["yes A7K2X", "A7K2X yes", "A7K2X cancel", "A7K2X stop"])
def test_words_of_carriers_decide_nothing_beside_a_code(text: str) -> None:
    assert all(answer.verb is None for answer in parse_text(text).answers)


@pytest.mark.parametrize(
    "text", ["where is it", "check the logs", "please wait", "hello", "ok thanks", "No, do not deploy"]
)
def test_ordinary_words_are_no_certain_answers(text: str) -> None:
    assert not any(answer.is_certain for answer in parse_text(text).answers)


@pytest.mark.parametrize(("text", "verb"), [("ok", "approve"), ("OK!", "approve"), ("No.", "deny"), ("Nein", "deny")])
def test_verb_alone_is_bare(text: str, verb: str) -> None:
    assert (parse_text(text).kind, parse_text(text).verb) == ("bare", verb)


def test_new_begins_a_topic() -> None:
    assert (parse_text("NEW deploy v2").kind, parse_text("new: deploy v2").text) == ("new", "deploy v2")
    assert parse_text("newer version?").kind != "new"


def test_reading_of_the_provider_counts() -> None:
    assert parse_text("arrêt", "STOP").kind == "stop"


codes = st.text(REQUEST_CODE_ALPHABET, min_size=REQUEST_CODE_LENGTH, max_size=REQUEST_CODE_LENGTH)
items = st.tuples(codes, st.sampled_from(["ok", "NO", "approve", "denied"]), st.sampled_from(["{c} {v}", "{v} {c}"]))


@given(st.lists(items, min_size=1, max_size=4), st.sampled_from([", ", "\n", ";"]))
@example([("2BCDE", "ok", "{c} {v}"), ("ABCDE", "NO", "{v} {c}")], ", ")
def test_every_written_answer_is_read(written: list[tuple[str, str, str]], separator: str) -> None:
    text = separator.join(form.format(c=code, v=verb) for code, verb, form in written)
    expected = [(code, "approve" if verb in ("ok", "approve") else "deny") for code, verb, _ in written]
    assert [(answer.code, answer.verb) for answer in parse_text(text).answers] == expected


@given(st.text())
def test_any_text_is_read_and_names_codes_in_it_only(text: str) -> None:
    parsed = parse_text(text)
    assert parsed.kind != "answers" or parsed.answers
    for answer in parsed.answers:
        assert set(answer.code) <= set(REQUEST_CODE_ALPHABET)
        assert len(answer.code) == REQUEST_CODE_LENGTH
