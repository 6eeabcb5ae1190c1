"""Answers to requests, each bound to what was shown: what was not shown is shown first, and asked about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from agents.errors import ApprovalChanged, InvalidArguments, Refused
from bot.cli.chat.news import News
from channels.terminal.client import TerminalClient, path
from channels.terminal.lists import requests_table
from channels.terminal.orders import Approve, Decisive, Edit, decision
from channels.terminal.outbound import RequestView, notice

PATIENCE = 5
"""Attempts while the server is away, six seconds together: longer, and people type it again."""

QUESTION = "Approve exactly this? [y/N] "


@dataclass(frozen=True)
class Answering:
    """Answers for one person. `agrees` asks them a question, `show` shows them something."""

    server: TerminalClient
    news: News
    show: Callable[[RenderableType], None]
    agrees: Callable[[str], Awaitable[bool]]

    async def answer(self, order: Decisive) -> Any:
        """Return the request as it is afterwards, or None when the person does not agree to what is shown."""
        if not isinstance(order, Approve | Edit):
            known = self.news.coded(order.code)
            return await self._send(order, known.id if known else order.code, known)
        request = await self._meant(order)
        if _takes_approval(request) and not self.news.has_shown(request) and not await self._agreed(request):
            self.show(notice(f"nothing was decided; {request.code} is still open"))
            return None
        return await self._send(order, request.id, request)

    async def _send(self, order: Decisive, named: str, request: RequestView | None) -> Any:
        try:
            return await self._sent(order, named, request)
        except ApprovalChanged as error:
            self._show_changed(error)
            raise
        except InvalidArguments as error:
            if not isinstance(order, Edit) or request is None:
                raise
            if order.changes.words:
                raise _with_kept(error, order, request) from error
            return await self._sent(order, named, request, keeps=False)

    async def _sent(self, order: Decisive, named: str, request: RequestView | None, *, keeps: bool = True) -> Any:
        """Send the order; an edit that keeps nothing sends exactly the arguments that were typed."""
        given = decision(order, _kept(request) if request and keeps else None)
        body = {**given, "digest": request.digest if request else None, "actor": self.server.person}
        return await self.server.post(path("requests", named, "answer"), body, patience=PATIENCE)

    async def _meant(self, order: Approve | Edit) -> RequestView:
        """Return the request that was shown under the code, or the one the server has; without a code the only one."""
        if order.code is None:
            return self._only()
        known = self.news.coded(order.code)
        if known is not None and self.news.has_shown(known):
            return known
        return RequestView.model_validate(await self.server.get(path("requests", order.code), patience=PATIENCE))

    def _only(self) -> RequestView:
        open_now = [one for one in self.news.waiting() if one.kind == "approval"]
        if not open_now:
            raise Refused("nothing waits for your approval; /requests shows what is open")
        if len(open_now) > 1:
            self.show(requests_table(open_now))
            raise Refused("several requests are open: /approve and the code of one")
        return open_now[0]

    async def _agreed(self, request: RequestView) -> bool:
        self.show(self.news.card_of(request, self.server.name))
        return await self.agrees(QUESTION)

    def _show_changed(self, error: ApprovalChanged) -> None:
        try:
            request = RequestView.model_validate(error.details)
        except ValueError:
            return
        if not self.news.has_shown(request):
            self.show(self.news.card_of(request, self.server.name))


def _takes_approval(request: RequestView) -> bool:
    """Return whether there is anything to agree to; what cannot be approved is refused by the server in its words."""
    return request.status == "open" and request.kind == "approval"


def _kept(request: RequestView) -> dict[str, Any]:
    """Return the arguments that stay when others change; what preparation filled in is filled in again."""
    return {name: value for name, value in (request.arguments or {}).items() if name not in request.filled_in}


def _with_kept(error: InvalidArguments, order: Edit, request: RequestView) -> InvalidArguments:
    """Return the refusal of an edit with the names of the arguments that were kept."""
    kept = [name for name in _kept(request) if name not in order.changes.words]
    return InvalidArguments(f"{error} These were kept: {', '.join(kept)}.") if kept else error
