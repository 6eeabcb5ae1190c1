"""Keeps a connection of Socket Mode open. The SDK renews it; when it hangs or gives up, another takes its place."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.ids import Chance
from bot.log import Action, log
from bot.loops import Loops
from bot.running import back_off
from bot.sleeping import Sleep, sleep_until
from channels.slack.socket import Socket

PATIENCE = 15.0
"""Seconds for a connection to come into being."""

LOOKS = timedelta(seconds=10)
"""Between two looks whether it still holds."""

GRACE = 3.0
"""Seconds for what came in to be committed and answered when we stop."""

NAME = "socket:slack"


@dataclass
class Listening:
    """`troubles` says so while there is no connection."""

    socket: Callable[[], Socket]
    troubles: MutableMapping[str, str]
    chance: Chance
    sleep: Sleep = sleep_until
    loops: Loops = field(default_factory=Loops)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.troubles[NAME] = "it is not connected yet"
        self._task = asyncio.create_task(self.loops.keep(NAME, self._listen, self._stopping))

    async def stop(self) -> None:
        """What came in is answered, if that is soon; what is not, Slack sends again."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            attempt = 0 if await self._opened() else attempt + 1
            if not self._stopping.is_set():
                await self.sleep(back_off(attempt + 1, self.chance.jitter(), self.chance.now()), self._stopping)

    async def _opened(self) -> bool:
        """Whether a connection could be opened, once it is over."""
        socket = self.socket()
        try:
            return await self._held(socket)
        except Exception as error:  # noqa: BLE001 - whatever the SDK meets, another connection is tried
            self.loops.failures[NAME] += 1
            self._lost(error)
            return False
        finally:
            await socket.close()

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

    def _lost(self, error: Exception | None = None) -> None:
        self.troubles[NAME] = "there is no connection; SLACK_APP_TOKEN may be wrong, or Slack does not answer"
        log(Action.SOCKET_LOST, level="warning", channel="slack", error=error, trace=error)
