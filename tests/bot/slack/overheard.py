"""What the bot writes into its log, for stories that wait for something it does without a word to anybody."""

import logging

from tests.bot.slack.workplace import Workplace
from tests.fakes.slack.bell import Bell


class Overheard(logging.Handler):
    """Keeps the lines, and rings the bell of the workspace for each."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._bell: Bell | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
        if self._bell is not None:
            self._bell.ring()

    async def until(self, work: Workplace, action: str, times: int = 1) -> None:
        """Until the action was logged so many times."""
        self._bell = work.slack.workspace.bell
        await self._bell.until(lambda: self._told(action) >= times or None, lambda: f"{action}: {self._lines}")

    def _told(self, action: str) -> int:
        return sum(action in line for line in self._lines)
