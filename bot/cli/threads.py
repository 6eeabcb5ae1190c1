"""`handrail threads`: list, show and control threads."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from rich.console import RenderableType
from typer import Argument, Exit, Option, Typer

from agents.core.people import name_in
from bot.cli.api_client import DEFAULT_LIMIT, LimitOption, PersonOption, build_client, call_server
from bot.cli.output import (
    JsonOption,
    is_terminal_output,
    print_json,
    print_json_line,
    print_message,
    print_view,
    resolve_thread_id,
)
from bot.cli.thread_replay import describe_replay, run_replay
from bot.config.settings import Settings, load_settings
from channels.terminal.client import ConnectionChange, LoggedEvent, TerminalClient, api_path
from channels.terminal.page import thread_page, threads_table
from channels.terminal.views import (
    MESSAGE_CHANGE_EVENT_TYPES,
    ApiRequest,
    ApiThread,
    format_event_detail,
    info_view,
    message_change_view,
    message_view,
    table,
)

app = Typer(no_args_is_help=True, help="List, show and control threads.")

ThreadIdArgument = Annotated[str, Argument(metavar="ID", help="The id of a thread, or a unique prefix of it.")]
AfterOption = Annotated[int, Option("--after", min=0, metavar="SEQ", help="Only events after this sequence number.")]

_MESSAGE_EVENTS = ("MessageReceived", *MESSAGE_CHANGE_EVENT_TYPES, "ReplyChosen", "NoticeGiven")


@app.command("list")
def list_threads(
    *,
    status: Annotated[
        str | None, Option("--status", help="Only threads with this status, such as waiting_for_human.")
    ] = None,
    agent: Annotated[str | None, Option("--agent", help="Only threads of this agent.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List threads, newest first."""
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
    """Show a thread: its state, its open requests and its history."""
    settings = load_settings()
    if as_json:
        return print_json(call_server(settings, lambda server: _fetch_thread(server, thread_id)))
    return print_view(settings, call_server(settings, lambda server: _fetch_thread_page(server, thread_id)))


async def _fetch_thread(server: TerminalClient, id_or_prefix: str, *rest: str, **query: Any) -> Any:
    """Return the JSON at the path of a thread or below it."""
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
    is_following: Annotated[bool, Option("--follow", "-f", help="Wait for new events.", show_default=False)] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the events of a thread."""
    settings = load_settings()
    if is_following:
        return asyncio.run(_follow_events(settings, thread_id, after, as_json=as_json))
    found = call_server(settings, lambda server: _fetch_thread(server, thread_id, "events", after=after))["events"]
    if as_json:
        return print_json(found)
    return print_view(settings, _events_table(found))


@app.command()
def messages(
    thread_id: ThreadIdArgument,
    text: Annotated[str | None, Argument(help="The message to post; without it, messages are shown.")] = None,
    *,
    person: PersonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post a message to a thread, or show its messages."""
    settings = load_settings()
    if text is not None:
        thread = call_server(settings, lambda server: _post_message(server, thread_id, text), person)
        return _print_thread(settings, thread, as_json=as_json)
    found = call_server(settings, lambda server: _fetch_thread(server, thread_id, "events"))["events"]
    message_events = [event for event in found if event["type"] in _MESSAGE_EVENTS]
    if as_json:
        return print_json(message_events)
    for event in message_events:
        print_view(settings, _render_message(event))
    return None


async def _post_message(server: TerminalClient, id_or_prefix: str, text: str) -> Any:
    url_path = api_path("threads", await resolve_thread_id(server, id_or_prefix), "messages")
    return await server.post(url_path, {"text": text, "actor": server.person})


def _render_message(event: Mapping[str, Any]) -> RenderableType:
    author, text = name_in(event.get("names") or {}, event["actor"]), event["data"].get("text")
    return (
        message_change_view(author, text) if event["type"] in MESSAGE_CHANGE_EVENT_TYPES else message_view(author, text)
    )


@app.command()
def pause(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Pause a thread: start nothing new until it is resumed."""
    _post_action(thread_id, "pause", as_json=as_json)


@app.command()
def resume(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Resume a paused thread."""
    _post_action(thread_id, "resume", as_json=as_json)


@app.command()
def cancel(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Cancel a thread and close its open request."""
    _post_action(thread_id, "cancel", as_json=as_json)


@app.command()
def fork(
    thread_id: ThreadIdArgument,
    *,
    at: Annotated[
        int | None, Option("--at", min=1, metavar="SEQ", help="The last event to copy; default: all events.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a new thread with a copy of the first events of another."""
    settings = load_settings()

    async def post_fork(server: TerminalClient) -> Any:
        thread = api_path("threads", await resolve_thread_id(server, thread_id))
        return await server.post(f"{thread}/fork", {"at": at or (await server.get(thread))["version"]})

    _print_thread(settings, call_server(settings, post_fork), as_json=as_json)


@app.command()
def replay(thread_id: ThreadIdArgument, *, as_json: JsonOption = False) -> None:
    """Rebuild a thread from its log and compare it with the stored state. Exits with 1 when they differ.

    Reads the database directly. If a server is using the SQLite file, that server rebuilds the thread instead.
    """
    settings = load_settings()
    result = run_replay(settings, thread_id)
    if as_json:
        print_json(result)
    else:
        print_message(
            f"{result['events']} events of thread {result['id']}, {result['status']}: {describe_replay(result)}"
        )
    if not result["matches"]:
        raise Exit(1)


def _post_action(thread_id: str, action: str, *, as_json: bool) -> None:
    settings = load_settings()

    async def post_action(server: TerminalClient) -> Any:
        return await server.post(api_path("threads", await resolve_thread_id(server, thread_id), action))

    _print_thread(settings, call_server(settings, post_action), as_json=as_json)


def _print_thread(settings: Settings, thread: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(thread)
    else:
        print_view(settings, threads_table([ApiThread.model_validate(thread)]))


def _events_table(logged_events: Sequence[Any]) -> RenderableType:
    rows = [
        (
            str(event.seq),
            event.at,
            event.type,
            event.names.get(event.actor, event.actor),
            format_event_detail(event.type, event.data, event.names),
        )
        for event in map(LoggedEvent.from_json, logged_events)
    ]
    return table(("seq", "at", "event", "by", "details"), rows) if rows else info_view("no such events")


async def _follow_events(settings: Settings, thread_id: str, after: int, *, as_json: bool) -> None:
    async with build_client(settings) as server:
        async for item in server.follow(await resolve_thread_id(server, thread_id), after):
            if isinstance(item, ConnectionChange):
                print_message("connection lost; reconnecting" if item.is_lost else "reconnected")
            elif as_json:
                print_json_line(_to_api_json(item))
            else:
                detail = format_event_detail(item.type, item.data, item.names)
                print_view(settings, info_view(f"{item.seq} {item.at} {item.type} {detail}"))


def _to_api_json(event: LoggedEvent) -> Mapping[str, Any]:
    """Return the event as the API sends it, without `names` when there are none."""
    return {name: value for name, value in vars(event).items() if name != "names" or value}
