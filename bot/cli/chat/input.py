"""Input lines: typed at a prompt with a history, or read from a pipe, and answers to yes/no questions."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from bot.config.settings import DATA_DIR


async def _no_lines() -> AsyncIterator[str]:
    return
    yield


@dataclass
class LineReader:
    """Reader of typed lines. While it asks a `question`, the question replaces the prompt."""

    lines: AsyncIterator[str] = field(default_factory=_no_lines)
    question: str | None = None
    _pushed_back: str | None = None

    async def next_line(self) -> str | None:
        """Return the next line, or None at the end."""
        line, self._pushed_back = self._pushed_back, None
        return line if line is not None else await anext(self.lines, None)

    async def confirm(self, question: str) -> bool:
        """Return whether the next line is yes. Anything else means no; a command is kept as the next line."""
        self.question = question
        try:
            line = (await self.next_line() or "").strip()
        finally:
            self.question = None
        if line.startswith("/"):
            self._pushed_back = line
        return line.lower() in ("y", "yes")


CompleteText = Callable[[str], Sequence[str]]

HISTORY_FILE = DATA_DIR / "chat-history"
_READ_SIZE_BYTES = 65536


def is_interactive() -> bool:
    """Return whether stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def read_lines(prompt: Callable[[], str], complete: CompleteText) -> AsyncIterator[str]:
    """Yield lines until the input ends. `prompt` returns the prompt of each line, `complete` its Tab completions."""
    source = _read_prompt(prompt, complete) if is_interactive() else _read_pipe(sys.stdin.fileno())
    async for line in source:
        yield line


class LastWordCompleter(Completer):
    """Completer for the last word of the line."""

    def __init__(self, complete: CompleteText) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002 - signature of the base class
        """Yield the completions of the word before the cursor."""
        text = document.text_before_cursor
        word = text.rpartition(" ")[2]
        yield from (Completion(offer, start_position=-len(word)) for offer in self._complete(text))


def key_bindings() -> KeyBindings:
    """Return the key bindings: Ctrl-C clears the line, or leaves the chat when the line is empty."""
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
    # Invalid keys, for example from a pasted escape sequence, must not print a stack trace.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    with patch_stdout(raw=True), suppress(EOFError):
        while True:
            yield await session.prompt_async(prompt(), set_exception_handler=False)


def open_history(file: Path) -> History:
    """Return the history in a file that only its owner may read; without the data folder, one in memory."""
    if not file.parent.is_dir():
        return InMemoryHistory()
    file.touch(mode=0o600)
    file.chmod(0o600)
    return FileHistory(file)


async def _read_pipe(descriptor: int) -> AsyncIterator[str]:
    """Yield the lines of a pipe or a file. An OS thread reads them, so that a blocked read cannot delay the exit."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        with suppress(RuntimeError, OSError):  # the loop is closed: the chat has ended
            for line in _split_lines(descriptor):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, name="read-input", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _split_lines(descriptor: int) -> Iterator[str]:
    # os.read instead of sys.stdin: a thread blocked in sys.stdin holds its lock, which crashes the interpreter at exit.
    rest = b""
    while chunk := os.read(descriptor, _READ_SIZE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
