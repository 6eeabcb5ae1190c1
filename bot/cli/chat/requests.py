"""Requests in the chat: watch those that a person can decide and those of the current thread, and send answers.

An approval is bound to the card the person saw; an unseen card is shown first.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from agents.core.errors import Conflict, InvalidArguments, StaleApproval
from bot.cli.chat.renderer import EventRenderer
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.commands import AnswerCommand, Approve, Edit, answer_body
from channels.terminal.page import requests_table
from channels.terminal.views import ApiRequest, info_view

MAX_RETRIES = 5
"""Retries while the server is unavailable, six seconds in total. After longer waits people retype the command."""

CONFIRM_QUESTION = "Approve exactly this? [y/N] "


@dataclass(frozen=True)
class AnswerSender:
    """Sends the answers of one person. `confirm` asks them a yes/no question, `print_view` shows them a view."""

    server: TerminalClient
    renderer: EventRenderer
    print_view: Callable[[RenderableType], None]
    confirm: Callable[[str], Awaitable[bool]]

    async def send(self, command: AnswerCommand) -> Any:
        """Return the answered request, or None when the person does not confirm the card they are shown."""
        if not isinstance(command, Approve | Edit):
            known = self.renderer.find_by_code(command.code)
            return await self._send_checked(command, known.id if known else command.code, known)
        request = await self._find_request(command)
        if (
            _can_be_approved(request)
            and not self.renderer.has_shown(request)
            and not await self._confirm_request(request)
        ):
            self.print_view(info_view(f"nothing was decided; {request.code} is still open"))
            return None
        return await self._send_checked(command, request.id, request)

    async def _send_checked(self, command: AnswerCommand, id_or_code: str, request: ApiRequest | None) -> Any:
        try:
            return await self._post_answer(command, id_or_code, request)
        except StaleApproval as error:
            self._show_changed(error)
            raise
        except InvalidArguments as error:
            if not isinstance(command, Edit) or request is None:
                raise
            if command.changes.bare_words:
                raise _with_unchanged_names(error, command, request) from error
            return await self._post_answer(command, id_or_code, request, is_partial=False)

    async def _post_answer(
        self, command: AnswerCommand, id_or_code: str, request: ApiRequest | None, *, is_partial: bool = True
    ) -> Any:
        """Post the answer. An edit sends the unchanged arguments too, unless `is_partial` is false."""
        answer = answer_body(command, _unchanged_arguments(request) if request and is_partial else None)
        body = {**answer, "digest": request.digest if request else None, "actor": self.server.person}
        return await self.server.post(api_path("requests", id_or_code, "answer"), body, retries=MAX_RETRIES)

    async def _find_request(self, command: Approve | Edit) -> ApiRequest:
        """Return the request with the command's code, as it was shown or else from the server.

        A command without a code means the only open approval.
        """
        if command.code is None:
            return self._only_open_approval()
        known = self.renderer.find_by_code(command.code)
        if known is not None and self.renderer.has_shown(known):
            return known
        return ApiRequest.model_validate(await self.server.get(api_path("requests", command.code), retries=MAX_RETRIES))

    def _only_open_approval(self) -> ApiRequest:
        approvals = [one for one in self.renderer.open_requests() if one.kind == "approval"]
        if not approvals:
            raise Conflict("no request is waiting for your approval; /requests lists open requests")
        if len(approvals) > 1:
            self.print_view(requests_table(approvals))
            raise Conflict("several requests are open; type /approve and the code of one")
        return approvals[0]

    async def _confirm_request(self, request: ApiRequest) -> bool:
        self.print_view(self.renderer.render_card(request, self.server.name))
        return await self.confirm(CONFIRM_QUESTION)

    def _show_changed(self, error: StaleApproval) -> None:
        try:
            request = ApiRequest.model_validate(error.details)
        except ValueError:
            return
        if not self.renderer.has_shown(request):
            self.print_view(self.renderer.render_card(request, self.server.name))


def _can_be_approved(request: ApiRequest) -> bool:
    """Return whether to ask for confirmation. The server refuses a request that cannot be approved."""
    return request.status == "open" and request.kind == "approval"


def _unchanged_arguments(request: ApiRequest) -> dict[str, Any]:
    """Return the arguments that an edit keeps, without those that the tool's preparation fills in again."""
    return {name: value for name, value in (request.arguments or {}).items() if name not in request.filled_in}


def _with_unchanged_names(error: InvalidArguments, command: Edit, request: ApiRequest) -> InvalidArguments:
    """Return the error of an edit, with the names of the arguments that the edit kept."""
    kept = [name for name in _unchanged_arguments(request) if name not in command.changes.bare_words]
    return InvalidArguments(f"{error} Arguments that were kept: {', '.join(kept)}.") if kept else error


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
