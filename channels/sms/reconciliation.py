"""Search for messages whose webhook was lost: Twilio does not send a webhook again after an error."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from agents.core.errors import HandrailError
from channels.base import Runtime
from channels.sms.endpoints import to_message_input, to_status_input
from channels.sms.values import InboundSms, StatusUpdate

POLL_SECONDS = 120.0
LOOK_BACK = timedelta(minutes=10)
"""Age of the messages that each look covers: several intervals, so that one failed look loses nothing."""
PROBLEM = "sms poll"


class ListApi(Protocol):
    """Part of `client.SmsApi` that lists messages. All methods raise HandrailError."""

    async def list_inbound(self, since: datetime) -> list[InboundSms]: ...

    async def list_sent(self, since: datetime) -> list[StatusUpdate]: ...


@dataclass
class ReconciliationPoll:
    """Service that stores the messages and final states of the last minutes; known ones are duplicates."""

    api: ListApi
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def start(self, runtime: Runtime) -> None:
        """Begin to look, now and then in intervals."""
        run = runtime.supervise(PROBLEM, lambda: self._run(runtime), self._stop_event)
        self._task = asyncio.create_task(run, name=PROBLEM)

    async def stop(self) -> None:
        """End the loop."""
        self._stop_event.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, runtime: Runtime) -> None:
        failures = 0
        while not self._stop_event.is_set():
            try:
                await self.look(runtime)
            except HandrailError as error:
                failures += 1
                runtime.log("background_task_failed", level="warning", channel="sms", error=error, attempt=failures)
                await runtime.back_off(failures, self._stop_event)
                continue
            failures = 0
            await runtime.sleep(POLL_SECONDS, self._stop_event)

    async def look(self, runtime: Runtime) -> None:
        """Store what Twilio lists. Raises HandrailError."""
        since = runtime.now() - LOOK_BACK
        for message in await self.api.list_inbound(since):
            await runtime.receiver.store_input(to_message_input(message, runtime))
        for update in await self.api.list_sent(since):
            if update.is_final:
                await runtime.receiver.store_input(to_status_input(update, runtime))
