"""`handrail requests`: list, show and answer the requests of agents."""

import sys
from typing import Annotated, Any

from typer import Argument, Exit, Option, Typer, confirm

from agents.core.errors import StaleApproval
from bot.cli.api_client import DEFAULT_LIMIT, LimitOption, PersonOption, call_server
from bot.cli.output import JsonOption, is_terminal_output, print_json, print_message, print_view, resolve_thread_id
from bot.config.settings import Settings, load_settings
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.commands import AnswerQuestion, Approve, Deny, answer_body
from channels.terminal.page import requests_table
from channels.terminal.views import ApiRequest, card_view, info_view, request_view

app = Typer(no_args_is_help=True, help="List and answer the requests of agents.")

RequestArgument = Annotated[str, Argument(metavar="CODE|ID", help="The code on the card, or the id of the request.")]


@app.command("list")
def list_requests(
    *,
    status: Annotated[
        str | None, Option("--status", help="Only requests with this status, such as denied; default: open.")
    ] = None,
    should_include_closed: Annotated[
        bool, Option("--all", help="Include closed requests.", show_default=False)
    ] = False,
    thread_id: Annotated[str | None, Option("--thread", metavar="ID", help="Only requests of this thread.")] = None,
    is_mine_only: Annotated[
        bool, Option("--mine", help="Only requests that you can decide.", show_default=False)
    ] = False,
    person: PersonOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List open requests, newest first. With --thread, list all requests of the thread."""
    settings = load_settings()
    query = {
        "status": status or (None if should_include_closed or thread_id else "open"),
        "mine": "true" if is_mine_only else None,
    }
    query["as"] = person and f"person:{person}"

    async def fetch_requests(server: TerminalClient) -> Any:
        full_id = thread_id and await resolve_thread_id(server, thread_id)
        return await server.list_all(api_path("requests"), "requests", max_items=limit, thread_id=full_id, **query)

    found = call_server(settings, fetch_requests)
    if as_json:
        return print_json(found)
    requests = [ApiRequest.model_validate(one) for one in found]
    return print_view(settings, requests_table(requests, is_short=is_terminal_output(settings)))


@app.command("show")
def show_request(id_or_code: RequestArgument, *, as_json: JsonOption = False) -> None:
    """Show a request and its answers."""
    settings = load_settings()
    found = call_server(settings, lambda server: server.get(api_path("requests", id_or_code)))
    _print_request(settings, found, as_json=as_json)
    if not as_json:
        print_view(settings, info_view(f"digest {found['digest']}"))


@app.command()
def approve(
    id_or_code: RequestArgument,
    *,
    digest: Annotated[
        str | None,
        Option("--digest", metavar="DIGEST", help="The digest of the request you saw; `requests show` prints it."),
    ] = None,
    comment: Annotated[str | None, Option("--comment", help="A comment for the agent.")] = None,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a request. A terminal shows it first; in a script, pass the digest of the request you saw."""
    settings = load_settings()
    if digest is None and _is_interactive():
        digest = _confirm_request(settings, id_or_code, person)
    try:
        _send_answer(settings, id_or_code, Approve(id_or_code, comment), person, digest=digest, as_json=as_json)
    except StaleApproval as error:
        raise _show_changed_request(settings, error) from error


@app.command()
def deny(
    id_or_code: RequestArgument,
    *,
    comment: Annotated[str | None, Option("--comment", help="The reason, shared with the agent.")] = None,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny a request."""
    _send_answer(load_settings(), id_or_code, Deny(id_or_code, comment), person, as_json=as_json)


@app.command()
def answer(
    id_or_code: RequestArgument,
    text: Annotated[str, Argument(metavar="TEXT", help="Your answer, or one of the choices.")],
    *,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question."""
    _send_answer(load_settings(), id_or_code, AnswerQuestion(id_or_code, text), person, as_json=as_json)


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm_request(settings: Settings, id_or_code: str, person: str | None) -> str:
    """Show the request, ask for confirmation and return its digest.

    A request that cannot be approved is not shown: the server refuses it. Exits with 1 when the person declines.
    """
    request = ApiRequest.model_validate(
        call_server(settings, lambda server: server.get(api_path("requests", id_or_code)), person)
    )
    if request.status == "open" and request.kind == "approval":
        print_view(settings, card_view(request), stderr=True)
        if not confirm("Approve exactly this?", default=False, err=True):
            print_message(f"Nothing was decided; {request.code} is still open.")
            raise Exit(1)
    return request.digest


def _show_changed_request(settings: Settings, error: StaleApproval) -> StaleApproval:
    """Show the current request, and return the error with the command that approves it."""
    try:
        request = ApiRequest.model_validate(error.details)
    except ValueError:
        return error
    print_view(settings, card_view(request), stderr=True)
    return StaleApproval(
        f"{error}; to approve exactly the request shown above: handrail requests approve {request.code} "
        f"--digest {request.digest}"
    )


def _send_answer(
    settings: Settings,
    id_or_code: str,
    command: Approve | Deny | AnswerQuestion,
    person: str | None,
    *,
    digest: str | None = None,
    as_json: bool,
) -> None:
    url_path = api_path("requests", id_or_code, "answer")
    body = {**answer_body(command), "digest": digest}
    request = call_server(settings, lambda server: server.post(url_path, {**body, "actor": server.person}), person)
    _print_request(settings, request, as_json=as_json)
    if not as_json and (note := request.get("note")) is not None:
        print_view(settings, info_view(note))


def _print_request(settings: Settings, request: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(request)
    else:
        print_view(settings, request_view(ApiRequest.model_validate(request)))
