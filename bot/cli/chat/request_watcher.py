"""Requests as a conversation shows them: those that wait for its person, and those of its thread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from bot.cli.chat.answer_sender import MAX_RETRIES
from bot.cli.chat.renderer import EventRenderer
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.views import ApiRequest, info_view

MAX_CARDS = 3
"""The most requests that are shown one by one when they come together."""

MAX_REQUESTS = 100


@dataclass(frozen=True)
class RequestWatcher:
    """Shows what is new about requests, each thing once; many at once are one line."""

    server: TerminalClient
    renderer: EventRenderer
    print_view: Callable[[RenderableType], None]

    async def poll(self) -> None:
        """Show what waits for the person, and what became of what waited."""
        query = {"status": "open", "mine": "true", "as": self.server.person}
        told = await self.server.list_all(api_path("requests"), "requests", max_items=MAX_REQUESTS, **query)
        found = [ApiRequest.model_validate(one) for one in told]
        fresh = [request for request in found if request.id not in self.renderer.requests]
        if len(fresh) > MAX_CARDS:
            for request in fresh:
                self.renderer.remember(request)
            self.print_view(info_view(f"{len(fresh)} requests wait for you: /requests shows them"))
        self._show_requests(found)
        still_open = {request.id for request in found}
        await self.refresh([one.id for one in self.renderer.open_requests() if one.id not in still_open])

    async def refresh(self, request_ids: Iterable[str]) -> None:
        """Show what is new about these requests."""
        for request_id in request_ids:
            self.show_request(await self.server.get(api_path("requests", request_id), retries=MAX_RETRIES))

    async def show_earlier(self, thread_id: str) -> None:
        """Show the requests of a thread that was joined: the open ones, and the settled ones if they are few."""
        query = {"thread_id": thread_id}
        told = await self.server.list_all(api_path("requests"), "requests", max_items=MAX_REQUESTS, **query)
        found = [ApiRequest.model_validate(one) for one in reversed(told)]
        settled = [one for one in found if one.status != "open" and one.id not in self.renderer.requests]
        if len(settled) > MAX_CARDS:
            for request in settled:
                self.renderer.remember(request)
            self.print_view(info_view(f"{len(settled)} earlier requests: /requests all shows them"))
        self._show_requests(found)

    def show_request(self, payload: Any) -> None:
        """Show what is new about a request as the server tells it."""
        self._show_requests([ApiRequest.model_validate(payload)])

    def _show_requests(self, requests: Iterable[ApiRequest]) -> None:
        for request in requests:
            for drawn in self.renderer.render_request_changes(request, self.server.name):
                self.print_view(drawn)
