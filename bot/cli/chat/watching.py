"""Requests as a conversation shows them: those that wait for its person, and those of its thread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from bot.cli.chat.answering import PATIENCE
from bot.cli.chat.news import News
from channels.terminal.client import TerminalClient, path
from channels.terminal.outbound import RequestView, notice

MAX_CARDS = 3
"""The most requests that are shown one by one when they come together."""

MOST = 100


@dataclass(frozen=True)
class Watching:
    """Shows what is new about requests, each thing once; many at once are one line."""

    server: TerminalClient
    news: News
    print: Callable[[RenderableType], None]

    async def look(self) -> None:
        """Show what waits for the person, and what became of what waited."""
        query = {"status": "open", "mine": "true", "as": self.server.person}
        told = await self.server.listed(path("requests"), "requests", most=MOST, **query)
        found = [RequestView.model_validate(one) for one in told]
        fresh = [request for request in found if request.id not in self.news.requests]
        if len(fresh) > MAX_CARDS:
            for request in fresh:
                self.news.note(request)
            self.print(notice(f"{len(fresh)} requests wait for you: /requests shows them"))
        self._show(found)
        still_open = {request.id for request in found}
        await self.refresh([one.id for one in self.news.waiting() if one.id not in still_open])

    async def refresh(self, request_ids: Iterable[str]) -> None:
        """Show what is new about these requests."""
        for request_id in request_ids:
            self.show(await self.server.get(path("requests", request_id), patience=PATIENCE))

    async def show_earlier(self, thread_id: str) -> None:
        """Show the requests of a thread that was joined: the open ones, and the settled ones if they are few."""
        query = {"thread_id": thread_id}
        told = await self.server.listed(path("requests"), "requests", most=MOST, **query)
        found = [RequestView.model_validate(one) for one in reversed(told)]
        settled = [one for one in found if one.status != "open" and one.id not in self.news.requests]
        if len(settled) > MAX_CARDS:
            for request in settled:
                self.news.note(request)
            self.print(notice(f"{len(settled)} earlier requests: /requests all shows them"))
        self._show(found)

    def show(self, told: Any) -> None:
        """Show what is new about a request as the server tells it."""
        self._show([RequestView.model_validate(told)])

    def _show(self, requests: Iterable[RequestView]) -> None:
        for request in requests:
            for drawn in self.news.of_request(request, self.server.name):
                self.print(drawn)
