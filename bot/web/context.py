"""Dependencies that every route shares."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from bot.bootstrap import Bot
from bot.web.streams import StreamRegistry


@dataclass(frozen=True)
class AppContext:
    """The bot behind this application and its live streams."""

    bot: Bot
    streams: StreamRegistry

    @property
    def schemes(self) -> tuple[str, ...]:
        """Address schemes of all channels of this process, such as `slack` or `terminal`."""
        return tuple(self.bot.channels)


async def _get_context(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


Context = Annotated[AppContext, Depends(_get_context)]
