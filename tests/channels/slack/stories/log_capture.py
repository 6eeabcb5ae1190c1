"""Capture of the bot's log, for tests that wait for an event without a visible effect."""

import logging

from tests.fakes.slack.condition import Condition
from tests.harness.slack import SlackHarness


class LogCapture(logging.Handler):
    """Log handler that keeps all lines and notifies the fake workspace's condition."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._condition: Condition | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
        if self._condition is not None:
            self._condition.notify_all()

    async def wait_for_log_event(self, harness: SlackHarness, event: str, times: int = 1) -> None:
        """Wait until the event has been logged at least `times` times."""
        self._condition = harness.slack.workspace.condition
        await self._condition.wait_until(lambda: self._count(event) >= times or None, lambda: f"{event}: {self._lines}")

    def _count(self, event: str) -> int:
        return sum(event in line for line in self._lines)
