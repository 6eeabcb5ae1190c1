"""`handrail requests`: what agents ask people, and the answers."""

import sys
from typing import Annotated, Any

from typer import Argument, Exit, Option, Typer, confirm

from agents.errors import StaleApproval
from bot.cli.api_client import DEFAULT_LIMIT, LimitOption, PersonOption, call_server
from bot.cli.output import JsonOption, is_terminal_output, print_json, print_message, print_view
from bot.cli.short_ids import resolve_thread_id
from bot.settings import Settings, load_settings
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.commands import AnswerQuestion, Approve, Deny, answer_body
from channels.terminal.lists import requests_table
from channels.terminal.views import ApiRequest, card_view, info_view, request_view

app = Typer(no_args_is_help=True, help="List and answer what agents ask people.")

RequestArgument = Annotated[str, Argument(metavar="CODE|ID", help="The code of the card, or the request's id.")]


@app.command("list")
def list_requests(
    *,
    status: Annotated[str | None, Option("--status", help="Only those that are, say, denied; default: open.")] = None,
    include_closed: Annotated[bool, Option("--all", help="Also those that are settled.", show_default=False)] = False,
    thread_id: Annotated[str | None, Option("--thread", metavar="ID", help="Only those of this thread.")] = None,
    only_mine: Annotated[bool, Option("--mine", help="Only those I could decide.", show_default=False)] = False,
    person: PersonOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Requests that are open, the newest first; of one thread, all of them."""
    settings = load_settings()
    wanted = {
        "status": status or (None if include_closed or thread_id else "open"),
        "mine": "true" if only_mine else None,
    }
    wanted["as"] = person and f"person:{person}"

    async def listed(server: TerminalClient) -> Any:
        of_thread = thread_id and await resolve_thread_id(server, thread_id)
        return await server.list_all(api_path("requests"), "requests", max_items=limit, thread_id=of_thread, **wanted)

    found = call_server(settings, listed)
    if as_json:
        return print_json(found)
    requests = [ApiRequest.model_validate(one) for one in found]
    return print_view(settings, requests_table(requests, is_short=is_terminal_output(settings)))


@app.command("show")
def show_request(id_or_code: RequestArgument, *, as_json: JsonOption = False) -> None:
    """One request, and what became of it."""
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
        str | None, Option("--digest", metavar="DIGEST", help="The digest of what you saw; `requests show` prints it.")
    ] = None,
    comment: Annotated[str | None, Option("--comment", help="A word to the agent.")] = None,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve what is asked: in a terminal it is shown first, a script passes the digest of what it saw."""
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
    comment: Annotated[str | None, Option("--comment", help="Why; the agent is told.")] = None,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny what is asked."""
    _send_answer(load_settings(), id_or_code, Deny(id_or_code, comment), person, as_json=as_json)


@app.command()
def answer(
    id_or_code: RequestArgument,
    text: Annotated[str, Argument(metavar="TEXT", help="The answer, or one of the choices.")],
    *,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question."""
    _send_answer(load_settings(), id_or_code, AnswerQuestion(id_or_code, text), person, as_json=as_json)


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm_request(settings: Settings, id_or_code: str, person: str | None) -> str:
    """Show the request and ask; return the digest of what was shown. One that takes no approval is not asked about."""
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
    """Show the request as it is now, and return the refusal with the way to approve exactly that."""
    try:
        request = ApiRequest.model_validate(error.details)
    except ValueError:
        return error
    print_view(settings, card_view(request), stderr=True)
    return StaleApproval(
        f"{error}; to approve exactly what stands above: handrail requests approve {request.code} "
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
    where = api_path("requests", id_or_code, "answer")
    body = {**answer_body(command), "digest": digest}
    told = call_server(settings, lambda server: server.post(where, {**body, "actor": server.person}), person)
    _print_request(settings, told, as_json=as_json)
    if not as_json and (note := told.get("note")) is not None:
        print_view(settings, info_view(note))


def _print_request(settings: Settings, request: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(request)
    else:
        print_view(settings, request_view(ApiRequest.model_validate(request)))
