"""What every route works with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from bot.bootstrap import Bot
from bot.web.streams import StreamRegistry


@dataclass(frozen=True)
class AppContext:
    """The bot behind this application, and its live streams."""

    bot: Bot
    streams: StreamRegistry

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of the channels of this process: those that are sent to and those that read the log."""
        return tuple(self.bot.channels)


async def _get_context(request: Request) -> AppContext:
    parts: AppContext = request.app.state.parts
    return parts


Context = Annotated[AppContext, Depends(_get_context)]
