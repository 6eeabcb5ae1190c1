"""`handrail requests`: what agents ask people, and the answers."""

from typing import Annotated, Any

from typer import Argument, Option, Typer

from bot.cli.screen import AsJson, show, show_json
from bot.cli.server import MOST, As, Limit, ask
from bot.settings import Settings, load_settings
from channels.terminal.client import path
from channels.terminal.inbound import AnswerQuestion, Approve, Decisive, Deny, decision
from channels.terminal.outbound import RequestView, notice, request_shown, requests_table

app = Typer(no_args_is_help=True, help="List and answer what agents ask people.")

Named = Annotated[str, Argument(metavar="CODE|ID", help="The code of the card, or the request's id.")]


@app.command("list")
def list_requests(
    *,
    status: Annotated[str | None, Option("--status", help="Only those that are, say, open.")] = None,
    thread_id: Annotated[str | None, Option("--thread", metavar="ID", help="Only those of this thread.")] = None,
    mine: Annotated[bool, Option("--mine", help="Only those I could decide.", show_default=False)] = False,
    person: As = None,
    limit: Limit = MOST,
    as_json: AsJson = False,
) -> None:
    """Requests, the newest first."""
    settings = load_settings()
    wanted = {"status": status, "thread_id": thread_id, "mine": "true" if mine else None}
    wanted["as"] = person and f"person:{person}"
    found = ask(settings, lambda server: server.listed(path("requests"), "requests", most=limit, **wanted))
    if as_json:
        return show_json(found)
    return show(settings, requests_table([RequestView.model_validate(one) for one in found]))


@app.command("show")
def show_request(named: Named, *, as_json: AsJson = False) -> None:
    """One request, and what became of it."""
    settings = load_settings()
    _show(settings, ask(settings, lambda server: server.get(path("requests", named))), as_json=as_json)


@app.command()
def approve(
    named: Named,
    *,
    comment: Annotated[str | None, Option("--comment", help="A word to the agent.")] = None,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Approve what is asked."""
    _answer(Approve(named, comment), person, as_json=as_json)


@app.command()
def deny(
    named: Named,
    *,
    comment: Annotated[str | None, Option("--comment", help="Why; the agent is told.")] = None,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Deny what is asked."""
    _answer(Deny(named, comment), person, as_json=as_json)


@app.command()
def answer(
    named: Named,
    text: Annotated[str, Argument(metavar="TEXT", help="The answer, or one of the choices.")],
    *,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question."""
    _answer(AnswerQuestion(named, text), person, as_json=as_json)


def _answer(order: Decisive, person: str | None, *, as_json: bool) -> None:
    settings = load_settings()
    where = path("requests", order.code, "answer")
    told = ask(settings, lambda server: server.post(where, {**decision(order), "actor": server.person}), person)
    _show(settings, told, as_json=as_json)
    if not as_json and (note := told.get("note")) is not None:
        show(settings, notice(note))


def _show(settings: Settings, request: Any, *, as_json: bool) -> None:
    if as_json:
        show_json(request)
    else:
        show(settings, request_shown(RequestView.model_validate(request)))
