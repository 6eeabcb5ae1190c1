"""Capture of the bot's log, for tests that wait for an action without a visible effect."""

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

    async def wait_for_action(self, harness: SlackHarness, action: str, times: int = 1) -> None:
        """Wait until the action has been logged at least `times` times."""
        self._condition = harness.slack.workspace.condition
        await self._condition.wait_until(
            lambda: self._count(action) >= times or None, lambda: f"{action}: {self._lines}"
        )

    def _count(self, action: str) -> int:
        return sum(action in line for line in self._lines)
