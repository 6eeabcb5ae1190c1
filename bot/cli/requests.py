"""`handrail requests`: what agents ask people, and the answers."""

import sys
from typing import Annotated, Any

from typer import Argument, Exit, Option, Typer, confirm

from agents.errors import ApprovalChanged
from bot.cli.screen import AsJson, is_cut, show, show_json, tell
from bot.cli.server import MOST, As, Limit, ask
from bot.cli.short_ids import thread_id_of
from bot.settings import Settings, load_settings
from channels.terminal.client import TerminalClient, path
from channels.terminal.lists import requests_table
from channels.terminal.orders import AnswerQuestion, Approve, Deny, decision
from channels.terminal.outbound import RequestView, card, notice, request_shown

app = Typer(no_args_is_help=True, help="List and answer what agents ask people.")

Named = Annotated[str, Argument(metavar="CODE|ID", help="The code of the card, or the request's id.")]


@app.command("list")
def list_requests(
    *,
    status: Annotated[str | None, Option("--status", help="Only those that are, say, denied; default: open.")] = None,
    is_all: Annotated[bool, Option("--all", help="Also those that are settled.", show_default=False)] = False,
    thread_id: Annotated[str | None, Option("--thread", metavar="ID", help="Only those of this thread.")] = None,
    mine: Annotated[bool, Option("--mine", help="Only those I could decide.", show_default=False)] = False,
    person: As = None,
    limit: Limit = MOST,
    as_json: AsJson = False,
) -> None:
    """Requests that are open, the newest first; of one thread, all of them."""
    settings = load_settings()
    wanted = {"status": status or (None if is_all or thread_id else "open"), "mine": "true" if mine else None}
    wanted["as"] = person and f"person:{person}"

    async def listed(server: TerminalClient) -> Any:
        of_thread = thread_id and await thread_id_of(server, thread_id)
        return await server.listed(path("requests"), "requests", most=limit, thread_id=of_thread, **wanted)

    found = ask(settings, listed)
    if as_json:
        return show_json(found)
    requests = [RequestView.model_validate(one) for one in found]
    return show(settings, requests_table(requests, is_short=is_cut(settings)))


@app.command("show")
def show_request(named: Named, *, as_json: AsJson = False) -> None:
    """One request, and what became of it."""
    settings = load_settings()
    found = ask(settings, lambda server: server.get(path("requests", named)))
    _show(settings, found, as_json=as_json)
    if not as_json:
        show(settings, notice(f"digest {found['digest']}"))


@app.command()
def approve(
    named: Named,
    *,
    digest: Annotated[
        str | None, Option("--digest", metavar="DIGEST", help="The digest of what you saw; `requests show` prints it.")
    ] = None,
    comment: Annotated[str | None, Option("--comment", help="A word to the agent.")] = None,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Approve what is asked: in a terminal it is shown first, a script passes the digest of what it saw."""
    settings = load_settings()
    if digest is None and _is_interactive():
        digest = _confirmed(settings, named, person)
    try:
        _answer(settings, named, Approve(named, comment), person, digest=digest, as_json=as_json)
    except ApprovalChanged as error:
        raise _with_request(settings, error) from error


@app.command()
def deny(
    named: Named,
    *,
    comment: Annotated[str | None, Option("--comment", help="Why; the agent is told.")] = None,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Deny what is asked."""
    _answer(load_settings(), named, Deny(named, comment), person, as_json=as_json)


@app.command()
def answer(
    named: Named,
    text: Annotated[str, Argument(metavar="TEXT", help="The answer, or one of the choices.")],
    *,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question."""
    _answer(load_settings(), named, AnswerQuestion(named, text), person, as_json=as_json)


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirmed(settings: Settings, named: str, person: str | None) -> str:
    """Show the request and ask; return the digest of what was shown. One that takes no approval is not asked about."""
    request = RequestView.model_validate(ask(settings, lambda server: server.get(path("requests", named)), person))
    if request.status == "open" and request.kind == "approval":
        show(settings, card(request), stderr=True)
        if not confirm("Approve exactly this?", default=False, err=True):
            tell(f"Nothing was decided; {request.code} is still open.")
            raise Exit(1)
    return request.digest


def _with_request(settings: Settings, error: ApprovalChanged) -> ApprovalChanged:
    """Show the request as it is now, and return the refusal with the way to approve exactly that."""
    try:
        request = RequestView.model_validate(error.details)
    except ValueError:
        return error
    show(settings, card(request), stderr=True)
    return ApprovalChanged(
        f"{error}; to approve exactly what stands above: handrail requests approve {request.code} "
        f"--digest {request.digest}"
    )


def _answer(
    settings: Settings,
    named: str,
    order: Approve | Deny | AnswerQuestion,
    person: str | None,
    *,
    digest: str | None = None,
    as_json: bool,
) -> None:
    where = path("requests", named, "answer")
    body = {**decision(order), "digest": digest}
    told = ask(settings, lambda server: server.post(where, {**body, "actor": server.person}), person)
    _show(settings, told, as_json=as_json)
    if not as_json and (note := told.get("note")) is not None:
        show(settings, notice(note))


def _show(settings: Settings, request: Any, *, as_json: bool) -> None:
    if as_json:
        show_json(request)
    else:
        show(settings, request_shown(RequestView.model_validate(request)))
