"""Keys of the chat prompt, without a terminal."""

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from bot.cli.chat.input import LastWordCompleter, key_bindings

CTRL_C = "\x03"


async def press_keys(text: str) -> str:
    """Return the line that these keys enter."""
    with create_pipe_input() as pipe:
        pipe.send_text(text)
        prompt: PromptSession[str] = PromptSession(input=pipe, output=DummyOutput(), key_bindings=key_bindings())
        return await prompt.prompt_async("> ")


async def test_ctrl_c_clears_the_line_first():
    assert await press_keys(f"/cancel{CTRL_C}hello\r") == "hello"


@pytest.mark.parametrize("typed", ["", f"abc{CTRL_C}"])
async def test_ctrl_c_on_an_empty_line_leaves_the_chat(typed):
    with pytest.raises(KeyboardInterrupt):
        await press_keys(typed + CTRL_C)


def test_tab_replaces_the_word_before_the_cursor():
    completer = LastWordCompleter(lambda text: ("K7Q2M",) if text == "/approve k7" else ())
    [completion] = completer.get_completions(Document("/approve k7"), CompleteEvent())
    assert (completion.text, completion.start_position) == ("K7Q2M", -2)
