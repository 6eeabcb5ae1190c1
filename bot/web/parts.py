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


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Here = Annotated[Parts, Depends(_parts)]
