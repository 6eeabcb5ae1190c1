"""Read typed lines, and answers to yes/no questions in between."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field


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
