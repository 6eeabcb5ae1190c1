"""Tab completion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.parser import COMMANDS, CompletionNames, list_completions

NAMES = CompletionNames({"K7Q2M": ("tag", "environment"), "SBWHF": ()}, ("deploy", "guard"), ("thr_1m7yvk",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/app", ("/approve",)),
        ("/thr", ("/threads", "/thread")),
        ("/approve ", ("K7Q2M", "SBWHF")),
        ("/deny k", ("K7Q2M",)),
        ("/answer s", ("SBWHF",)),
        ("/edit K7Q2M t", ("tag=",)),
        ("/edit k7q2m tag=v1 ", ("tag=", "environment=")),
        ("/edit SBWHF ", ()),
        ("/new g", ("guard",)),
        ("/thread ", ("thr_1m7yvk",)),
        ("/requests a", ("all",)),
        ("/approve K7Q2M K", ()),
        ("deploy K", ()),
        ("", ()),
    ],
)
def test_completes_the_last_word(text, expected):
    assert list_completions(text, NAMES) == expected


def test_completes_every_command():
    assert list_completions("/", NAMES) == COMMANDS


@given(st.text())
def test_completions_begin_with_the_last_word(text):
    word = text.split(" ")[-1]
    assert all(completion.lower().startswith(word.lower()) for completion in list_completions(text, NAMES))
