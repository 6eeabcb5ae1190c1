"""What every route works with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from bot.web.streams import Streams
from bot.wiring import Bot


@dataclass(frozen=True)
class Parts:
    """The bot behind this application, and its live streams."""

    bot: Bot
    streams: Streams

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of the channels of this process: those that are sent to and those that read the log."""
        return tuple(self.bot.channels)


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Here = Annotated[Parts, Depends(_parts)]
