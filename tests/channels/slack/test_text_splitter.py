from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.text_splitter import MAX_BLOCK_LENGTH, Part, fence_after, split_markdown

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


def joined(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts)


def left_open(text: str) -> bool:
    return reduce(lambda fence, line: fence_after(line, fence), text.splitlines(keepends=True), None) is not None


@given(markdown | st.text(), st.integers(400, 900))
def test_the_parts_joined_are_the_text_and_each_one_fits(text: str, longest: int) -> None:
    parts = split_markdown(text, longest)
    assert joined(parts) == text
    assert all(part.text and len(part.posted_text) <= longest for part in parts)


@given(st.lists(lines, min_size=1, max_size=120).map("\n".join), st.integers(400, 900))
def test_no_part_leaves_a_code_block_open_that_the_text_closes(text: str, longest: int) -> None:
    *earlier, _ = split_markdown(text, longest) or (Part(""),)
    assert [part for part in earlier if left_open(part.posted_text)] == []


def test_what_fits_is_left_alone() -> None:
    assert split_markdown("x" * MAX_BLOCK_LENGTH) == (Part("x" * MAX_BLOCK_LENGTH),)
    assert split_markdown("") == ()


def test_it_is_cut_before_a_heading_rather_than_in_a_paragraph() -> None:
    text = "one\n" * 60 + "\n\n# Two\n" + "two\n" * 60
    assert [part.text[:5] for part in split_markdown(text, 400)] == ["one\no", "# Two"]


def test_it_is_cut_between_paragraphs_rather_than_lines() -> None:
    first, second = "one\n" * 60 + "\n", "two\n" * 60
    assert split_markdown(first + second, 400) == (Part(first), Part(second))


def test_a_code_block_is_closed_and_opened_again() -> None:
    first, second, *_ = split_markdown("```python\n" + "print(1)\n" * 80 + "```\n", 400)
    assert first.closing == "\n```"
    assert second.opening == "```python\n"
    assert second.posted_text.startswith("```python\nprint(1)\n")


def test_what_looks_like_a_fence_inside_of_a_longer_one_does_not_close_it() -> None:
    parts = split_markdown("````\n```\n" + "x\n" * 300 + "````\n", 400)
    assert {part.opening for part in parts[1:]} == {"````\n"}


def test_a_line_without_an_end_is_cut_at_words() -> None:
    assert all(part.text.endswith(" ") for part in split_markdown("word " * 300, 400)[:-1])


def test_a_word_without_an_end_is_cut_all_the_same() -> None:
    assert joined(split_markdown("x" * 1000, 400)) == "x" * 1000


@pytest.mark.parametrize("text", ["`" * 50_000, "~~~" + "x" * 50_000, "\n" * 50_000, "```\n" * 10_000])
def test_absurd_texts_are_split_too(text: str) -> None:
    parts = split_markdown(text)
    assert joined(parts) == text
    assert max(len(part.posted_text) for part in parts) <= MAX_BLOCK_LENGTH
