"""Tests that long Markdown is split into parts that fit, at the best places."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.text_splitter import MAX_MARKDOWN_BLOCK_LENGTH, Part, fence_after, split_markdown

lines = st.sampled_from(
    [
        "```",
        "```python",
        "~~~",
        "````",
        "   ```",
        "# title",
        "",
        "",
        "word " * 30,
        "x" * 300,
        "a `b` c",
        "``` a`b",
        "\r",
    ]
)
markdown = st.lists(lines | st.text(max_size=80), max_size=120).map("\n".join)


def join_parts(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts)


def leaves_code_block_open(text: str) -> bool:
    return reduce(lambda fence, line: fence_after(line, fence), text.splitlines(keepends=True), None) is not None


@given(markdown | st.text(), st.integers(400, 900))
def test_parts_join_to_the_text_and_fit(text: str, max_length: int) -> None:
    parts = split_markdown(text, max_length)
    assert join_parts(parts) == text
    assert all(part.text and len(part.posted_text) <= max_length for part in parts)


@given(st.lists(lines, min_size=1, max_size=120).map("\n".join), st.integers(400, 900))
def test_parts_close_their_code_blocks(text: str, max_length: int) -> None:
    *earlier, _ = split_markdown(text, max_length) or (Part(""),)
    assert [part for part in earlier if leaves_code_block_open(part.posted_text)] == []


def test_text_that_fits_is_not_split() -> None:
    assert split_markdown("x" * MAX_MARKDOWN_BLOCK_LENGTH) == (Part("x" * MAX_MARKDOWN_BLOCK_LENGTH),)
    assert split_markdown("") == ()


def test_splits_before_a_heading_first() -> None:
    text = "one\n" * 60 + "\n\n# Two\n" + "two\n" * 60
    assert [part.text[:5] for part in split_markdown(text, 400)] == ["one\no", "# Two"]


def test_splits_between_paragraphs_before_lines() -> None:
    first, second = "one\n" * 60 + "\n", "two\n" * 60
    assert split_markdown(first + second, 400) == (Part(first), Part(second))


def test_split_code_block_is_closed_and_reopened() -> None:
    first, second, *_ = split_markdown("```python\n" + "print(1)\n" * 80 + "```\n", 400)
    assert first.closing == "\n```"
    assert second.opening == "```python\n"
    assert second.posted_text.startswith("```python\nprint(1)\n")


def test_shorter_fence_does_not_close_a_longer_one() -> None:
    parts = split_markdown("````\n```\n" + "x\n" * 300 + "````\n", 400)
    assert {part.opening for part in parts[1:]} == {"````\n"}


def test_long_line_is_split_between_words() -> None:
    assert all(part.text.endswith(" ") for part in split_markdown("word " * 300, 400)[:-1])


def test_long_word_is_split() -> None:
    assert join_parts(split_markdown("x" * 1000, 400)) == "x" * 1000


@pytest.mark.parametrize("text", ["`" * 50_000, "~~~" + "x" * 50_000, "\n" * 50_000, "```\n" * 10_000])
def test_degenerate_texts_are_split(text: str) -> None:
    parts = split_markdown(text)
    assert join_parts(parts) == text
    assert max(len(part.posted_text) for part in parts) <= MAX_MARKDOWN_BLOCK_LENGTH
