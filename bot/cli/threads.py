"""`handrail threads`: what runs, what waits, what happened, and the orders that steer it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rich.console import RenderableType
from typer import Argument, Exit, Option, Typer

from agents.people import name_in
from bot.cli.replaying import replayed, verdict
from bot.cli.screen import AsJson, is_cut, show, show_json, show_line, tell
from bot.cli.server import MOST, As, Limit, ask, client
from bot.cli.short_ids import thread_id_of
from bot.settings import Settings, load_settings
from channels.terminal.client import LoggedEvent, TerminalClient, path
from channels.terminal.lists import threads_table
from channels.terminal.outbound import (
    REWORDED,
    RequestView,
    ThreadView,
    event_detail,
    notice,
    reworded,
    speech,
    table,
)
from channels.terminal.page import thread_page

app = Typer(no_args_is_help=True, help="List, show and steer threads.")

Id = Annotated[str, Argument(metavar="ID", help="The id of a thread, or its beginning.")]
After = Annotated[int, Option("--after", min=0, metavar="SEQ", help="Only what happened after this event.")]

_SAID = ("MessageReceived", *REWORDED, "ReplyChosen", "NoticeGiven")


@app.command("list")
def list_threads(
    *,
    status: Annotated[str | None, Option("--status", help="Only those that are, say, waiting_for_human.")] = None,
    agent: Annotated[str | None, Option("--agent", help="Only those of this agent.")] = None,
    limit: Limit = MOST,
    as_json: AsJson = False,
) -> None:
    """Threads, the newest first."""
    settings = load_settings()
    found = ask(
        settings, lambda server: server.listed(path("threads"), "threads", most=limit, status=status, agent=agent)
    )
    if as_json:
        return show_json(found)
    threads = [ThreadView.model_validate(one) for one in found]
    return show(settings, threads_table(threads, is_short=is_cut(settings)))


@app.command("show")
def show_thread(thread_id: Id, *, as_json: AsJson = False) -> None:
    """One thread: what it is, what it waits for, what was said and done."""
    settings = load_settings()
    if as_json:
        return show_json(ask(settings, lambda server: _got(server, thread_id)))
    return show(settings, ask(settings, lambda server: _page(server, thread_id)))


async def _got(server: TerminalClient, typed: str, *rest: str, **query: Any) -> Any:
    """Return what is at the path of a thread, or below it."""
    return await server.get(path("threads", await thread_id_of(server, typed), *rest), **query)


async def _page(server: TerminalClient, typed: str) -> RenderableType:
    thread = ThreadView.model_validate(await _got(server, typed))
    events = (await _got(server, thread.id, "events"))["events"]
    query = {"thread_id": thread.id, "status": "open"}
    requests = await server.listed(path("requests"), "requests", most=MOST, **query)
    return thread_page(
        thread,
        [LoggedEvent.of(event) for event in events],
        [RequestView.model_validate(request) for request in requests],
    )


@app.command()
def events(
    thread_id: Id,
    *,
    after: After = 0,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on as things happen.", show_default=False)] = False,
    as_json: AsJson = False,
) -> None:
    """What happened in a thread, event by event."""
    settings = load_settings()
    if follow:
        return asyncio.run(_follow(settings, thread_id, after, as_json=as_json))
    found = ask(settings, lambda server: _got(server, thread_id, "events", after=after))["events"]
    if as_json:
        return show_json(found)
    return show(settings, _table_of(found))


@app.command()
def messages(
    thread_id: Id,
    text: Annotated[str | None, Argument(help="What to say; without it, what was said is shown.")] = None,
    *,
    person: As = None,
    as_json: AsJson = False,
) -> None:
    """Say something in a thread, or show what was said."""
    settings = load_settings()
    if text is not None:
        told = ask(settings, lambda server: _said(server, thread_id, text), person)
        return _show_thread(settings, told, as_json=as_json)
    found = ask(settings, lambda server: _got(server, thread_id, "events"))["events"]
    said = [event for event in found if event["type"] in _SAID]
    if as_json:
        return show_json(said)
    for event in said:
        show(settings, _spoken(event))
    return None


async def _said(server: TerminalClient, typed: str, text: str) -> Any:
    where = path("threads", await thread_id_of(server, typed), "messages")
    return await server.post(where, {"text": text, "actor": server.person})


def _spoken(event: Mapping[str, Any]) -> RenderableType:
    who, text = name_in(event.get("names") or {}, event["actor"]), event["data"].get("text")
    return reworded(who, text) if event["type"] in REWORDED else speech(who, text)


@app.command()
def pause(thread_id: Id, *, as_json: AsJson = False) -> None:
    """Start nothing new in a thread until it is resumed."""
    _steer(thread_id, "pause", as_json=as_json)


@app.command()
def resume(thread_id: Id, *, as_json: AsJson = False) -> None:
    """Let a paused thread go on with what it waited for."""
    _steer(thread_id, "resume", as_json=as_json)


@app.command()
def cancel(thread_id: Id, *, as_json: AsJson = False) -> None:
    """End a thread, and close what it asks."""
    _steer(thread_id, "cancel", as_json=as_json)


@app.command()
def fork(
    thread_id: Id,
    *,
    at: Annotated[
        int | None, Option("--at", min=1, metavar="SEQ", help="The last event to take; default: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new thread with the first events of another."""
    settings = load_settings()

    async def forked(server: TerminalClient) -> Any:
        thread = path("threads", await thread_id_of(server, thread_id))
        return await server.post(f"{thread}/fork", {"at": at or (await server.get(thread))["version"]})

    _show_thread(settings, ask(settings, forked), as_json=as_json)


@app.command()
def replay(thread_id: Id, *, as_json: AsJson = False) -> None:
    """Fold a thread's log again and compare; exits with 1 when the stored state differs.

    Reads the database itself; a SQLite file that a server runs on is read by that server.
    """
    settings = load_settings()
    found = replayed(settings, thread_id)
    if as_json:
        show_json(found)
    else:
        tell(f"{found['events']} events of thread {found['id']}, {found['status']}: {verdict(found)}")
    if not found["matches"]:
        raise Exit(1)


def _steer(thread_id: str, order: str, *, as_json: bool) -> None:
    settings = load_settings()

    async def steered(server: TerminalClient) -> Any:
        return await server.post(path("threads", await thread_id_of(server, thread_id), order))

    _show_thread(settings, ask(settings, steered), as_json=as_json)


def _show_thread(settings: Settings, thread: Any, *, as_json: bool) -> None:
    if as_json:
        show_json(thread)
    else:
        show(settings, threads_table([ThreadView.model_validate(thread)]))


def _table_of(found: Sequence[Any]) -> RenderableType:
    rows = [
        (
            str(one.seq),
            one.at,
            one.type,
            one.names.get(one.actor, one.actor),
            event_detail(one.type, one.data, one.names),
        )
        for one in map(LoggedEvent.of, found)
    ]
    return table(("seq", "at", "event", "by", "what"), rows) if rows else notice("nothing happened after that")


async def _follow(settings: Settings, thread_id: str, after: int, *, as_json: bool) -> None:
    async with client(settings) as server:
        async for event in server.follow(await thread_id_of(server, thread_id), after):
            if not isinstance(event, LoggedEvent):
                tell("the server is away; waiting for it" if event.lost else "the server is back")
            elif as_json:
                show_line(_as_told(event))
            else:
                show(
                    settings,
                    notice(f"{event.seq} {event.at} {event.type} {event_detail(event.type, event.data, event.names)}"),
                )


def _as_told(event: LoggedEvent) -> Mapping[str, Any]:
    """Return the event as the API tells it, where `names` stand only if there are some."""
    return {name: value for name, value in vars(event).items() if name != "names" or value}
