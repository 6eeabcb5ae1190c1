"""Email addresses: one form for comparisons, which no look-alike of another address gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.addresses import is_unverified, normalize_address, to_comparable, unverified_address


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("Alice@Corp.TEST", "alice@corp.test"),
        ("alice@münchen.test", "alice@xn--mnchen-3ya.test"),
        ("ALICE@MÜNCHEN.test", "alice@xn--mnchen-3ya.test"),
        ("alice@XN--MNCHEN-3YA.test", "alice@xn--mnchen-3ya.test"),
        ("bot@localhost", "bot@localhost"),
        ("bot+tag@example.com", "bot+tag@example.com"),
        ("用户@corp.test", "用户@corp.test"),
    ],
)
def test_addresses_are_compared_in_lower_case_and_with_a_labels(text: str, normalized: str) -> None:
    assert normalize_address(text) == normalized


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "alice@",
        "@corp.test",
        "alice@@corp.test",
        "alice@corp..test",
        "alice@corp.test.",
        "alice@-corp.test",
        "alice@[192.0.2.1]",
        "al ice@corp.test",
        '"alice"@corp.test',
        "alice(boss)@corp.test",
        "alice@corp.test>",
        "alice@corp.test\n",
        ".alice@corp.test",
        "alice@corp.test,bob@corp.test",
        f"{'a' * 250}@corp.test",
        "alice@" + "a" * 64 + ".test",
    ],
)
def test_text_that_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        normalize_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "mar\N{KELVIN SIGN}@corp.test",
        "alice@\N{FULLWIDTH LATIN SMALL LETTER C}orp.test",
        "alice@corp\N{IDEOGRAPHIC FULL STOP}test",
        "alice@corp\N{ONE DOT LEADER}test",
        "alice@co\N{SOFT HYPHEN}rp.test",
        "alice@co\N{ZERO WIDTH JOINER}rp.test",
        "alice@fa\N{LATIN SMALL LETTER SHARP S}.test",
        "\N{FULLWIDTH LATIN SMALL LETTER A}lice@corp.test",
        "ali\N{ZERO WIDTH SPACE}ce@corp.test",
        "alice@corp.test\N{RIGHT-TO-LEFT OVERRIDE}",
    ],
)
def test_look_alike_of_another_address_has_no_normalized_form(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        normalize_address(text)


@given(st.text(max_size=30) | st.emails())
def test_normalized_form_of_any_text_is_stable(text: str) -> None:
    try:
        normalized = normalize_address(text)
    except ValueError:
        return
    assert normalize_address(normalized) == normalized
    assert normalized.isprintable()
    assert normalized.partition("@")[2].isascii()


@given(st.text(max_size=300))
def test_any_sender_that_is_not_authenticated_has_an_unverified_address(text: str) -> None:
    assert is_unverified(unverified_address(text))


def test_unverified_address_names_the_sender() -> None:
    assert unverified_address("Alice@Corp.test") == "email:unverified/alice@corp.test"
    assert unverified_address("a b") == "email:unverified/unknown"


def test_address_without_normalized_form_is_compared_in_lower_case() -> None:
    assert to_comparable("O'Brien(X)@corp.test") == "o'brien(x)@corp.test"
