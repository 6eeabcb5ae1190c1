"""Keeps a connection of Socket Mode open. The SDK renews it; when it hangs or gives up, another takes its place."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.ids import Chance
from bot.log import Action, log
from bot.running import back_off
from bot.sleeping import Sleep, sleep_until
from channels.slack.socket import Socket

PATIENCE = 15.0
"""Seconds for a connection to come into being."""

LOOKS = timedelta(seconds=10)
"""Between two looks whether it still holds."""

NAME = "socket:slack"


@dataclass
class Listening:
    """`troubles` says so while there is no connection."""

    socket: Callable[[], Socket]
    troubles: MutableMapping[str, str]
    chance: Chance
    sleep: Sleep = sleep_until
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.troubles[NAME] = "it is not connected yet"
        self._task = asyncio.create_task(self._listen(), name="slack socket")

    async def stop(self) -> None:
        """What came in is answered."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _listen(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            socket = self.socket()
            try:
                attempt = 0 if await self._held(socket) else attempt + 1
            finally:
                await socket.close()
            if not self._stopping.is_set():
                await self.sleep(back_off(attempt + 1, self.chance.jitter(), self.chance.now()), self._stopping)

    async def _held(self, socket: Socket) -> bool:
        """Whether it could be opened; if so, once it is lost or we stop."""
        if not await socket.connect(PATIENCE):
            self._lost()
            return False
        self.troubles.pop(NAME, None)
        log(Action.SOCKET_OPENED, channel="slack")
        while not self._stopping.is_set():
            await self.sleep(self.chance.now() + LOOKS, self._stopping)
            if not self._stopping.is_set() and not await socket.is_connected():
                self._lost()
                break
        return True

    def _lost(self) -> None:
        self.troubles[NAME] = "there is no connection; SLACK_APP_TOKEN may be wrong, or Slack does not answer"
        log(Action.SOCKET_LOST, level="warning", channel="slack")
