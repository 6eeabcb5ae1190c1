"""`handrail threads`: what runs, what waits, what happened, and the orders that steer it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rich.console import RenderableType
from typer import Argument, Exit, Option, Typer

from agents.people import name_in
from bot.cli.api_client import DEFAULT_LIMIT, LimitOption, PersonOption, build_client, call_server
from bot.cli.output import JsonOption, is_terminal_output, print_json, print_json_line, print_message, print_view
from bot.cli.short_ids import resolve_thread_id
from bot.cli.thread_replay import describe_replay, run_replay
from bot.settings import Settings, load_settings
from channels.terminal.client import LoggedEvent, TerminalClient, api_path
from channels.terminal.lists import threads_table
from channels.terminal.page import thread_page
from channels.terminal.views import (
    EDIT_EVENT_TYPES,
    ApiRequest,
    ApiThread,
    edited_view,
    format_event_detail,
    info_view,
    message_view,
    table,
)

app = Typer(no_args_is_help=True, help="List, show and steer threads.")

ThreadIdArgument = Annotated[str, Argument(metavar="ID", help="The id of a thread, or its beginning.")]
AfterOption = Annotated[int, Option("--after", min=0, metavar="SEQ", help="Only what happened after this event.")]

_MESSAGE_EVENTS = ("MessageReceived", *EDIT_EVENT_TYPES, "ReplyChosen", "NoticeGiven")


@app.command("list")
def list_threads(
    *,
    status: Annotated[str | None, Option("--status", help="Only those that are, say, waiting_for_human.")] = None,
    agent: Annotated[str | None, Option("--agent", help="Only those of this agent.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Threads, the newest first."""
    settings = load_settings()
    found = call_server(
        settings,
        lambda server: server.list_all(api_path("threads"), "threads", max_items=limit, status=status, agent=agent),
    )
    if as_json:
        return print_json(found)
    threads = [ApiThread.model_validate(one) for one in found]
    return print_view(settings, threads_table(threads, is_short=is_terminal_output(settings)))


@app.command("show")
def show_thread(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """One thread: what it is, what it waits for, what was said and done."""
    settings = load_settings()
    if as_json:
        return print_json(call_server(settings, lambda server: _fetch_thread(server, thread_id)))
    return print_view(settings, call_server(settings, lambda server: _fetch_thread_page(server, thread_id)))


async def _fetch_thread(server: TerminalClient, id_or_prefix: str, *rest: str, **query: Any) -> Any:
    """Return what is at the path of a thread, or below it."""
    return await server.get(api_path("threads", await resolve_thread_id(server, id_or_prefix), *rest), **query)


async def _fetch_thread_page(server: TerminalClient, id_or_prefix: str) -> RenderableType:
    thread = ApiThread.model_validate(await _fetch_thread(server, id_or_prefix))
    events = (await _fetch_thread(server, thread.id, "events"))["events"]
    query = {"thread_id": thread.id, "status": "open"}
    requests = await server.list_all(api_path("requests"), "requests", max_items=DEFAULT_LIMIT, **query)
    return thread_page(
        thread,
        [LoggedEvent.from_json(event) for event in events],
        [ApiRequest.model_validate(request) for request in requests],
    )


@app.command()
def events(
    thread_id: ThreadIdArgument,
    *,
    after: AfterOption = 0,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on as things happen.", show_default=False)] = False,
    as_json: JsonOption = False,
) -> None:
    """What happened in a thread, event by event."""
    settings = load_settings()
    if follow:
        return asyncio.run(_follow_events(settings, thread_id, after, as_json=as_json))
    found = call_server(settings, lambda server: _fetch_thread(server, thread_id, "events", after=after))["events"]
    if as_json:
        return print_json(found)
    return print_view(settings, _events_table(found))


@app.command()
def messages(
    thread_id: ThreadIdArgument,
    text: Annotated[str | None, Argument(help="What to say; without it, what was said is shown.")] = None,
    *,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say something in a thread, or show what was said."""
    settings = load_settings()
    if text is not None:
        told = call_server(settings, lambda server: _post_message(server, thread_id, text), person)
        return _print_thread(settings, told, as_json=as_json)
    found = call_server(settings, lambda server: _fetch_thread(server, thread_id, "events"))["events"]
    said = [event for event in found if event["type"] in _MESSAGE_EVENTS]
    if as_json:
        return print_json(said)
    for event in said:
        print_view(settings, _render_message(event))
    return None


async def _post_message(server: TerminalClient, id_or_prefix: str, text: str) -> Any:
    where = api_path("threads", await resolve_thread_id(server, id_or_prefix), "messages")
    return await server.post(where, {"text": text, "actor": server.person})


def _render_message(event: Mapping[str, Any]) -> RenderableType:
    who, text = name_in(event.get("names") or {}, event["actor"]), event["data"].get("text")
    return edited_view(who, text) if event["type"] in EDIT_EVENT_TYPES else message_view(who, text)


@app.command()
def pause(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Start nothing new in a thread until it is resumed."""
    _post_action(thread_id, "pause", as_json=as_json)


@app.command()
def resume(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Let a paused thread go on with what it waited for."""
    _post_action(thread_id, "resume", as_json=as_json)


@app.command()
def cancel(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """End a thread, and close what it asks."""
    _post_action(thread_id, "cancel", as_json=as_json)


@app.command()
def fork(
    thread_id: ThreadIdArgument,
    *,
    at: Annotated[
        int | None, Option("--at", min=1, metavar="SEQ", help="The last event to take; default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new thread with the first events of another."""
    settings = load_settings()

    async def forked(server: TerminalClient) -> Any:
        thread = api_path("threads", await resolve_thread_id(server, thread_id))
        return await server.post(f"{thread}/fork", {"at": at or (await server.get(thread))["version"]})

    _print_thread(settings, call_server(settings, forked), as_json=as_json)


@app.command()
def replay(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Fold a thread's log again and compare; exits with 1 when the stored state differs.

    Reads the database itself; a SQLite file that a server runs on is read by that server.
    """
    settings = load_settings()
    found = run_replay(settings, thread_id)
    if as_json:
        print_json(found)
    else:
        print_message(f"{found['events']} events of thread {found['id']}, {found['status']}: {describe_replay(found)}")
    if not found["matches"]:
        raise Exit(1)


def _post_action(thread_id: str, action: str, *, as_json: bool) -> None:
    settings = load_settings()

    async def steered(server: TerminalClient) -> Any:
        return await server.post(api_path("threads", await resolve_thread_id(server, thread_id), action))

    _print_thread(settings, call_server(settings, steered), as_json=as_json)


def _print_thread(settings: Settings, thread: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(thread)
    else:
        print_view(settings, threads_table([ApiThread.model_validate(thread)]))


def _events_table(logged_events: Sequence[Any]) -> RenderableType:
    rows = [
        (
            str(one.seq),
            one.at,
            one.type,
            one.names.get(one.actor, one.actor),
            format_event_detail(one.type, one.data, one.names),
        )
        for one in map(LoggedEvent.from_json, logged_events)
    ]
    return table(("seq", "at", "event", "by", "what"), rows) if rows else info_view("nothing happened after that")


async def _follow_events(settings: Settings, thread_id: str, after: int, *, as_json: bool) -> None:
    async with build_client(settings) as server:
        async for event in server.follow(await resolve_thread_id(server, thread_id), after):
            if not isinstance(event, LoggedEvent):
                print_message("the server is away; waiting for it" if event.is_lost else "the server is back")
            elif as_json:
                print_json_line(_as_told(event))
            else:
                detail = format_event_detail(event.type, event.data, event.names)
                print_view(settings, info_view(f"{event.seq} {event.at} {event.type} {detail}"))


def _as_told(event: LoggedEvent) -> Mapping[str, Any]:
    """Return the event as the API tells it, where `names` stand only if there are some."""
    return {name: value for name, value in vars(event).items() if name != "names" or value}
