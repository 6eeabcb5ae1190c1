"""Keys of the chat, pressed at a prompt without a terminal."""

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from bot.cli.chat.terminal_input import LastWordCompleter, key_bindings

CTRL_C = "\x03"


async def pressed(text: str) -> str:
    """The line that comes of what is pressed."""
    with create_pipe_input() as given:
        given.send_text(text)
        prompt: PromptSession[str] = PromptSession(input=given, output=DummyOutput(), key_bindings=key_bindings())
        return await prompt.prompt_async("> ")


async def test_ctrl_c_clears_the_line_first():
    assert await pressed(f"/cancel{CTRL_C}hello\r") == "hello"


@pytest.mark.parametrize("typed", ["", f"abc{CTRL_C}"])
async def test_ctrl_c_on_an_empty_line_leaves(typed):
    with pytest.raises(KeyboardInterrupt):
        await pressed(typed + CTRL_C)


def test_tab_replaces_the_word_before_the_cursor():
    offers = LastWordCompleter(lambda text: ("K7Q2M",) if text == "/approve k7" else ())
    [offer] = offers.get_completions(Document("/approve k7"), CompleteEvent())
    assert (offer.text, offer.start_position) == ("K7Q2M", -2)
