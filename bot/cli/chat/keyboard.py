"""Where lines come from: typed at a prompt with a history, or read from a pipe."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from bot.settings import FOLDER

Complete = Callable[[str], Sequence[str]]

HISTORY = FOLDER / "chat-history"
_PIECE = 65536


def on_terminal() -> bool:
    """Whether a person sits there, and not a program."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def typed(prompt: Callable[[], str], complete: Complete) -> AsyncIterator[str]:
    """Lines until the input ends; `prompt` is asked before each what to show, `complete` what Tab offers."""
    source = _prompted(prompt, complete) if on_terminal() else _piped(sys.stdin.fileno())
    async for line in source:
        yield line


class Offers(Completer):
    """Completes the last word of the line."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 - the interface
        """Return what the word before the cursor may become."""
        text = document.text_before_cursor
        word = text.rpartition(" ")[2]
        yield from (Completion(offer, start_position=-len(word)) for offer in self._complete(text))


def keys() -> KeyBindings:
    """Return the keys that differ: Ctrl-C clears the line, and leaves where there is nothing to clear."""
    bindings = KeyBindings()

    @bindings.add("c-c")
    def _clear_or_leave(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.text:
            buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    return bindings


async def _prompted(prompt: Callable[[], str], complete: Complete) -> AsyncIterator[str]:
    session: PromptSession[str] = PromptSession(
        history=history(HISTORY), completer=Offers(complete), complete_while_typing=False, key_bindings=keys()
    )
    # Keys that make no sense, as those a pasted escape sequence turns into, are no reason to show a stack trace.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    with patch_stdout(raw=True), suppress(EOFError):
        while True:
            yield await session.prompt_async(prompt(), set_exception_handler=False)


def history(file: Path) -> History:
    """What was typed here before; nobody else may read it. A folder without Handrail keeps none."""
    if not file.parent.is_dir():
        return InMemoryHistory()
    file.touch(mode=0o600)
    file.chmod(0o600)
    return FileHistory(file)


async def _piped(descriptor: int) -> AsyncIterator[str]:
    """Lines of a pipe or a file, read in a thread of its own: a read that waits must not keep us from leaving."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        with suppress(RuntimeError, OSError):  # the loop is closed: we have left already
            for line in _lines(descriptor):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, name="keyboard", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _lines(descriptor: int) -> Iterator[str]:
    # Not through sys.stdin: a thread that waits in there holds its lock, which is fatal when the process ends.
    rest = b""
    while piece := os.read(descriptor, _PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
