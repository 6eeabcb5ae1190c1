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

from bot.settings import DATA_DIR

CompleteText = Callable[[str], Sequence[str]]

HISTORY_FILE = DATA_DIR / "chat-history"
_READ_SIZE_BYTES = 65536


def is_interactive() -> bool:
    """Whether a person sits there, and not a program."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def read_lines(prompt: Callable[[], str], complete: CompleteText) -> AsyncIterator[str]:
    """Lines until the input ends; `prompt` is asked before each what to show, `complete` what Tab offers."""
    source = _read_prompt(prompt, complete) if is_interactive() else _read_pipe(sys.stdin.fileno())
    async for line in source:
        yield line


class LastWordCompleter(Completer):
    """Completes the last word of the line."""

    def __init__(self, complete: CompleteText) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 - the interface
        """Return what the word before the cursor may become."""
        text = document.text_before_cursor
        word = text.rpartition(" ")[2]
        yield from (Completion(offer, start_position=-len(word)) for offer in self._complete(text))


def key_bindings() -> KeyBindings:
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


async def _read_prompt(prompt: Callable[[], str], complete: CompleteText) -> AsyncIterator[str]:
    session: PromptSession[str] = PromptSession(
        history=open_history(HISTORY_FILE),
        completer=LastWordCompleter(complete),
        complete_while_typing=False,
        key_bindings=key_bindings(),
    )
    # Keys that make no sense, as those a pasted escape sequence turns into, are no reason to show a stack trace.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    with patch_stdout(raw=True), suppress(EOFError):
        while True:
            yield await session.prompt_async(prompt(), set_exception_handler=False)


def open_history(file: Path) -> History:
    """What was typed here before; nobody else may read it. A folder without Handrail keeps none."""
    if not file.parent.is_dir():
        return InMemoryHistory()
    file.touch(mode=0o600)
    file.chmod(0o600)
    return FileHistory(file)


async def _read_pipe(descriptor: int) -> AsyncIterator[str]:
    """Lines of a pipe or a file, read in a thread of its own: a read that waits must not keep us from leaving."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        with suppress(RuntimeError, OSError):  # the loop is closed: we have left already
            for line in _split_lines(descriptor):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, name="keyboard", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _split_lines(descriptor: int) -> Iterator[str]:
    # Not through sys.stdin: a thread that waits in there holds its lock, which is fatal when the process ends.
    rest = b""
    while piece := os.read(descriptor, _READ_SIZE_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
