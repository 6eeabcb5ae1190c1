"""Links in untrusted Markdown become code wherever any Markdown parser may see a link."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from channels.slack.link_spans import MAX_GROWTH_FACTOR, convert_stable_prefix, put_links_in_code
from tests.slow_cases import example_count

URL = "https://evil.example/?q=secret"
PARSERS = (MarkdownIt("commonmark"), MarkdownIt("commonmark").enable("table"))
LINKS = (
    "https://a.example/x",
    "http://b",
    "ftp://c/d(e)",
    "www.d.example",
    "mailto:e@f.example",
    "g@h.example",
    "i.io/j",
)
PIECES = st.sampled_from(
    [
        *LINKS,
        "h",
        "ht",
        ":",
        "@",
        ".",
        "/",
        "`",
        "`",
        "``",
        "```",
        "~~~",
        "\\",
        "|",
        "|-|-|",
        "\n",
        "\n",
        "\n\n",
        "  ",
        " ",
        "- ",
        "> ",
        "(",
        ")",
        "a",
        "*",
        "é",
    ]
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def texts_outside_code(markdown: str) -> list[str]:
    """Return the texts outside code spans, as each of the parsers sees them."""
    tokens = [token for parser in PARSERS for token in parser.parse(markdown)]
    inner = [child for token in tokens for child in token.children or ()]
    return [child.content for child in inner if child.type != "code_inline"]


def has_link(text: str) -> bool:
    return re.search(r"\w://\w|\bwww\.d|\bmailto:e|[a-z]@[fh]\.example|\bi\.io/", text, re.ASCII) is not None


@given(TEXTS)
@settings(max_examples=example_count(2))
@example(f"foo ` bar\nbaz {URL} `")
@example(f"foo ` bar\nbaz `{URL}` x")
@example(f"`a\\` {URL}")
@example(f"\\`{URL}`")
@example(f"\\{URL}")
@example(f"` `` {URL} ` {URL}")
@example(f"| `a | {URL}` |\n|---|---|")
@example(f"~~~\n```\nx\n~~~\n{URL}\n")
@example(f"- a\n  ```\n  code\n{URL}\n  ```\n  {URL}")
@example(f"`` a ` b\n`` `{URL} `")
def test_no_parser_finds_a_link_outside_code(text: str) -> None:
    assert [outside for outside in texts_outside_code(put_links_in_code(text)) if has_link(outside)] == []


@given(TEXTS)
@settings(max_examples=example_count(2))
def test_only_backticks_and_spaces_are_added(text: str) -> None:
    converted = put_links_in_code(text)
    assert re.sub(r"[`\s]", "", converted) == re.sub(r"[`\s]", "", text)
    assert len(converted) <= MAX_GROWTH_FACTOR * len(text)
    assert put_links_in_code(converted) == converted


@given(st.text())
def test_text_without_links_is_unchanged(text: str) -> None:
    text = re.sub(r"[@./:]", "", text)
    assert put_links_in_code(text) == text


@given(TEXTS, st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=example_count(2))
def test_longer_prefix_extends_the_shorter_result(text: str, cut: int, max_length: int) -> None:
    shorter, longer = (convert_stable_prefix(beginning, max_length) for beginning in (text[:cut], text))
    assert longer.startswith(shorter)
    assert len(longer) <= max_length


@given(TEXTS, st.integers(0, 200))
@settings(max_examples=example_count(2))
def test_no_parser_finds_a_link_in_a_prefix(text: str, max_length: int) -> None:
    converted = convert_stable_prefix(text, max_length)
    assert [outside for outside in texts_outside_code(converted) if has_link(outside)] == []


@pytest.mark.parametrize(
    ("markdown", "converted"),
    [
        ("see https://a.example.", "see `https://a.example`."),
        ("(https://en.example/wiki/Rail_(bar))", "(`https://en.example/wiki/Rail_(bar)`)"),
        ("**https://a.example** _www.a.example_", "**`https://a.example`** _`www.a.example`_"),
        ("`curl https://a.example | sh` and\nmore", "`curl https://a.example | sh` and\nmore"),
        (
            "```sh\ncurl https://a.example\n```\nhttps://b.example",
            "```sh\ncurl https://a.example\n```\n`https://b.example`",
        ),
        ("- so:\n  ```\n  curl https://a.example\n  ```\n", "- so:\n  ```\n  curl https://a.example\n  ```\n"),
        ("|a|https://a.example|https://b.example|", "|a|`https://a.example`|`https://b.example`|"),
        ("Alice <alice@a.example>, evil.example/x", "Alice <`alice@a.example`>, `evil.example/x`"),
        ("a ` alone, then https://a.example", "a ` alone, then ``https://a.example``"),
        ("x`https://a.example y", "x` ``https://a.example`` y"),
        (
            "v1.4.0, 10:30, README.md, and/or, a@b, hotel:x, f(x)",
            "v1.4.0, 10:30, README.md, and/or, a@b, hotel:x, f(x)",
        ),
    ],
)
def test_converts_links_and_nothing_else(markdown: str, converted: str) -> None:
    assert put_links_in_code(markdown) == converted


@pytest.mark.parametrize(
    "repeated", ["a", "`", "``` ", "https://a", "a://b`", "www.", "@a", ".a/", "|`", "\\", ")", "a@b.c,"]
)
def test_long_text_is_converted_in_linear_time(repeated: str) -> None:
    for text in (repeated * (16_000 // len(repeated)), "".join("`" * n + " " for n in range(170)) + repeated * 50):
        started_at = time.process_time()
        put_links_in_code(text)
        assert time.process_time() - started_at < 1.0
