"""Lines that are typed: one after the other, and the answer to a question in between."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field


async def _no_lines() -> AsyncIterator[str]:
    return
    yield


@dataclass
class LineReader:
    """Reads lines. While a `question` is asked it stands where the prompt does."""

    lines: AsyncIterator[str] = field(default_factory=_no_lines)
    question: str | None = None
    _pushed_back: str | None = None

    async def next_line(self) -> str | None:
        """Return the next line, or None at the end."""
        held, self._pushed_back = self._pushed_back, None
        return held if held is not None else await anext(self.lines, None)

    async def confirm(self, question: str) -> bool:
        """Return whether the next line says yes. Anything else is a no, and an order among it is carried out next."""
        self.question = question
        try:
            line = (await self.next_line() or "").strip()
        finally:
            self.question = None
        if line.startswith("/"):
            self._pushed_back = line
        return line.lower() in ("y", "yes")
