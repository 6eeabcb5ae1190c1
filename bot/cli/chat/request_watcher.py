"""Watch the requests that a person can decide and those of the current thread, and show changes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from bot.cli.chat.answer_sender import MAX_RETRIES
from bot.cli.chat.renderer import EventRenderer
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.views import ApiRequest, info_view

MAX_CARDS = 3
"""Number of new requests that are shown one by one. More are summarized in one line."""

MAX_REQUESTS = 100


@dataclass(frozen=True)
class RequestWatcher:
    """Shows what is new about requests, each change once. Many new requests are one line."""

    server: TerminalClient
    renderer: EventRenderer
    print_view: Callable[[RenderableType], None]

    async def poll(self) -> None:
        """Show new requests that the person can decide, and changes of those shown before."""
        query = {"status": "open", "mine": "true", "as": self.server.person}
        items = await self.server.list_all(api_path("requests"), "requests", max_items=MAX_REQUESTS, **query)
        found = [ApiRequest.model_validate(item) for item in items]
        new_requests = [request for request in found if request.id not in self.renderer.requests]
        if len(new_requests) > MAX_CARDS:
            for request in new_requests:
                self.renderer.remember(request)
            self.print_view(info_view(f"{len(new_requests)} requests are waiting for you; /requests lists them"))
        self._show_requests(found)
        still_open = {request.id for request in found}
        await self.refresh([one.id for one in self.renderer.open_requests() if one.id not in still_open])

    async def refresh(self, request_ids: Iterable[str]) -> None:
        """Show what is new about these requests."""
        for request_id in request_ids:
            self.show_request(await self.server.get(api_path("requests", request_id), retries=MAX_RETRIES))

    async def show_earlier(self, thread_id: str) -> None:
        """Show the requests of the thread that was switched to: open ones, and closed ones if they are few."""
        query = {"thread_id": thread_id}
        items = await self.server.list_all(api_path("requests"), "requests", max_items=MAX_REQUESTS, **query)
        found = [ApiRequest.model_validate(item) for item in reversed(items)]
        closed = [one for one in found if one.status != "open" and one.id not in self.renderer.requests]
        if len(closed) > MAX_CARDS:
            for request in closed:
                self.renderer.remember(request)
            self.print_view(info_view(f"{len(closed)} earlier requests; /requests all lists them"))
        self._show_requests(found)

    def show_request(self, payload: Any) -> None:
        """Show what is new about a request. `payload` is its JSON object from the API."""
        self._show_requests([ApiRequest.model_validate(payload)])

    def _show_requests(self, requests: Iterable[ApiRequest]) -> None:
        for request in requests:
            for view in self.renderer.render_request_changes(request, self.server.name):
                self.print_view(view)
