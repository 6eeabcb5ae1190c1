"""Words with which people answer requests: verbs of seven languages, codes, choices and assignments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.values import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH
from channels.answer_words import VERBS, find_code, find_verb, match_choice, parse_assignments

FULLWIDTH_OFFSET = 0xFEE0
CHOICES = ("staging", "production", "Nowhere at all")


@pytest.mark.parametrize(
    ("word", "verb"),
    [
        ("APPROVE", "approve"),
        ("Genehmigt", "approve"),
        ("approuvé", "approve"),
        ("APPROUVÉ", "approve"),
        ("approuve\N{COMBINING ACUTE ACCENT}", "approve"),
        ("aprobado", "approve"),
        ("approvato", "approve"),
        ("aprovado", "approve"),
        ("goedgekeurd", "approve"),
        ("".join(chr(ord(letter) + FULLWIDTH_OFFSET) for letter in "APPROVE"), "approve"),
        ("app\N{ZERO WIDTH SPACE}rove", "approve"),
        ("app\N{SOFT HYPHEN}rove", "approve"),
        ("Denied", "deny"),
        ("reject", "deny"),
        ("ABLEHNEN", "deny"),
        ("refusé", "deny"),
        ("rechazar", "deny"),
        ("rifiutato", "deny"),
        ("recusado", "deny"),
        ("afgewezen", "deny"),
        ("Edit", "edit"),
        ("ÄNDERN", "edit"),
        ("Antwort", "answer"),
        ("RÉPONSE", "answer"),
    ],
)
def test_verb_is_recognised_in_seven_languages(word: str, verb: str) -> None:
    assert find_verb(word) == verb


@pytest.mark.parametrize(
    "word",
    [
        "ok",
        "yes",
        "ja",
        "no",
        "nein",
        "oui",
        "si",
        "👍",
        "",
        "approve.",
        "“approve”",
        "disapprove",
        "\u0410pprove",
        "approu ve",
    ],
)
def test_short_and_similar_words_are_no_verbs(word: str) -> None:
    assert find_verb(word) is None


def test_each_word_has_one_verb_and_no_word_is_short() -> None:
    assert min(map(len, VERBS)) >= 4
    assert all(find_verb(word.upper()) == verb for word, verb in VERBS.items())


@given(st.text(REQUEST_CODE_ALPHABET, min_size=REQUEST_CODE_LENGTH, max_size=REQUEST_CODE_LENGTH))
def test_code_is_recognised_in_any_case(code: str) -> None:
    assert find_code(code) == find_code(code.lower()) == code


@given(st.text(max_size=6))
def test_code_has_only_characters_of_its_alphabet(text: str) -> None:
    code = find_code(text)
    assert code is None or (len(code) == REQUEST_CODE_LENGTH and set(code) <= set(REQUEST_CODE_ALPHABET))


@pytest.mark.parametrize("word", ["K7P2", "K7P2QX", "K7P2O", "K7P21", "K7P2Q.", "K7 P2", "U7P2Q", ""])
def test_word_of_another_form_is_no_code(word: str) -> None:
    assert find_code(word) is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("1", "staging"),
        (" 2. ", "production"),
        ("#3", "Nowhere at all"),
        (chr(ord("3") + FULLWIDTH_OFFSET), "Nowhere at all"),
        ("Production", "production"),
        ("nowhere\u00a0 AT all", "Nowhere at all"),
        ("2\n\nThanks, Alice", "production"),
        ("nowhere\nat all\n\nAlice", "Nowhere at all"),
    ],
)
def test_choice_is_named_by_number_or_text(text: str, choice: str) -> None:
    assert match_choice(text, CHOICES) == choice


@pytest.mark.parametrize("text", ["", "0", "4", "-1", "1 or 2", "2\nor 3", "stag", "staging please", "\n\n", "²x"])
def test_other_text_names_no_choice(text: str) -> None:
    assert match_choice(text, CHOICES) is None


def test_number_that_is_another_choices_text_names_no_choice() -> None:
    assert match_choice("2", ("2", "1")) is None
    assert match_choice("2", ("1", "2")) == "2"
    assert match_choice("2", ()) is None


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=10), max_size=5))
def test_matched_choice_is_one_of_the_choices(text: str, choices: list[str]) -> None:
    assert match_choice(text, choices) in {None, *choices}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tag=v1.4.1", {"tag": "v1.4.1"}),
        ('tag=v1.4.1 note="two words"', {"tag": "v1.4.1", "note": "two words"}),
        ("note='it is \"done\"'  tag=x", {"note": 'it is "done"', "tag": "x"}),
        ("note=“two words” tag=x", {"note": "two words", "tag": "x"}),
        ("note=„zwei Wörter“ tag=x", {"note": "zwei Wörter", "tag": "x"}),
        ("note=«deux mots»", {"note": "deux mots"}),
        ("note=don't tag=x", {"note": "don't", "tag": "x"}),
        ('note="" tag=', {"note": "", "tag": ""}),
        ("note= tag=x", {"note": "", "tag": "x"}),
        ("url=https://x.test/?a=b", {"url": "https://x.test/?a=b"}),
        ("  tag=x  ", {"tag": "x"}),
    ],
)
def test_assignments_are_parsed(text: str, values: dict[str, str]) -> None:
    assert parse_assignments(text) == values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "after the code"),
        ("tag", "instead of tag"),
        ("please tag=x", "instead of please"),
        ("tag=x please", "instead of please"),
        ("tag = x", "instead of tag"),
        ("=x", "instead of ="),
        ("1tag=x", "instead of 1tag"),
        ("tag=x tag=y", "tag is given twice"),
        ('note="two words', "note has no closing"),
        ('note="two"words', "space after the value of note"),
    ],
)
def test_text_between_assignments_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_assignments(text)


names = st.from_regex(r"[a-z][a-z_0-9]{0,9}", fullmatch=True)
values = st.text(st.characters(exclude_characters='"', exclude_categories=("Cs",)), max_size=20)


@given(st.dictionaries(names, values, min_size=1, max_size=5))
def test_quoted_values_are_returned_unchanged(assignments: dict[str, str]) -> None:
    assert parse_assignments(" ".join(f'{name}="{value}"' for name, value in assignments.items())) == assignments


@given(st.text("ab=\"' “”", max_size=30))
def test_each_value_is_part_of_the_text(text: str) -> None:
    try:
        found = parse_assignments(text)
    except ValueError:
        return
    assert found
    assert all(f"{name}=" in text and value in text for name, value in found.items())
