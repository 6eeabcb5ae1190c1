"""Chat session: run typed commands and show events as they arrive."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

from rich.console import Console, RenderableType

from agents.core.errors import AlreadySettled, Conflict, HandrailError, Retryable
from bot.cli.chat.input import LineReader
from bot.cli.chat.lookups import fetch_agents, look_up, require_agent
from bot.cli.chat.renderer import THREAD_END_EVENTS, TIMER_END_EVENTS, EventRenderer, request_id_of_event
from bot.cli.chat.requests import MAX_RETRIES, AnswerSender, RequestWatcher
from bot.cli.output import resolve_thread_id
from channels.terminal.client import ConnectionChange, LoggedEvent, TerminalClient, api_path
from channels.terminal.commands import (
    ActAs,
    AnswerCommand,
    AnswerQuestion,
    Approve,
    ControlThread,
    Deny,
    Edit,
    ListAgents,
    ListRequests,
    ListThreads,
    ParseError,
    Quit,
    Say,
    ShowHelp,
    Simulate,
    StartThread,
    SwitchThread,
    TerminalCommand,
    WhoAmI,
)
from channels.terminal.page import threads_table
from channels.terminal.parser import CompletionNames, list_completions, parse_line
from channels.terminal.views import ApiRequest, ApiThread, error_view, info_view

POLL_INTERVAL_SECONDS = 2.0
IDLE_TIMEOUT_SECONDS = 120.0
MAX_EARLIER_EVENTS = 50
"""Events of a thread that are shown when you switch to it."""


@dataclass
class Session:
    """Chat of one person with one server, one thread at a time. `agent` None means the server's first agent."""

    server: TerminalClient
    console: Console
    agent: str | None = None
    thread_id: str | None = None
    _renderer: EventRenderer = field(default_factory=EventRenderer)
    _line_reader: LineReader = field(default_factory=LineReader)
    _agent_names: tuple[str, ...] = ()
    _last_seq: int = 0
    _has_timer: bool = False
    _catch_up_seq: int = 0
    _event_received: asyncio.Event = field(default_factory=asyncio.Event)
    _follow_task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._request_watcher = RequestWatcher(self.server, self._renderer, self._print)
        self._answer_sender = AnswerSender(self.server, self._renderer, self._print, self._line_reader.confirm)

    def prompt(self) -> str:
        """Return the prompt, or the question that is being asked."""
        return self._line_reader.question or f"{self.server.name or 'handrail'}> "

    def completions(self, text: str) -> tuple[str, ...]:
        """Return the Tab completions for a text."""
        codes = {one.code: tuple(one.arguments or ()) for one in self._renderer.open_requests()}
        threads = {one.thread_id for one in self._renderer.open_requests()} | (
            {self.thread_id} if self.thread_id else set()
        )
        return list_completions(text, CompletionNames(codes, self._agent_names, sorted(threads)))

    async def run(self, lines: AsyncIterator[str], *, is_scripted: bool = False) -> None:
        """Run typed lines until they end or one is /quit. `is_scripted` waits for an idle thread before the next line.

        Raises UnknownAgent when the server has no agent of the session's name.
        """
        await self._start()
        watcher = asyncio.create_task(self._poll_requests())
        self._line_reader.lines = lines
        try:
            while (line := await self._line_reader.next_line()) is not None:
                command = parse_line(line)
                if isinstance(command, Quit):
                    break
                if command is not None:
                    await self._run_command(command)
                if is_scripted:
                    await self._wait_until_idle()
        finally:
            watcher.cancel()
            self._stop_following()

    async def _start(self) -> None:
        await self._request_watcher.poll()
        await self._require_agent(self.agent)
        self._print(info_view(f"connected to {self.server.url}; say something, or /help"))

    async def _require_agent(self, name: str | None) -> None:
        """Raise UnknownAgent with the known names when the agent does not exist."""
        agents = await fetch_agents(self.server)
        self._agent_names = tuple(agent["name"] for agent in agents)
        if name is not None:
            require_agent(name, agents)

    async def _run_command(self, command: TerminalCommand) -> None:
        try:
            await self._dispatch(command)
        except AlreadySettled as error:
            self._print(error_view(str(error)))
            self._remember_closed(error.details)
        except HandrailError as error:
            self._print(error_view(str(error)))

    async def _dispatch(self, command: TerminalCommand) -> None:
        match command:
            case Say(text):
                await self._send_message(text)
            case Approve() | Deny() | Edit() | AnswerQuestion():
                await self._send_answer(command)
            case ActAs() | SwitchThread() | StartThread() | ControlThread():
                await self._dispatch_session_command(command)
            case Simulate(url_path, body):
                if reply := (await self.server.post(url_path, body)).get("reply"):
                    self._print(info_view(f"to {body['from']}: {reply}"))
            case ListThreads() | ListRequests() | ListAgents() | WhoAmI() | ShowHelp() | ParseError():
                self._print(await look_up(self.server, command, self.agent, is_short=self.console.is_terminal))
            case Quit():
                return
            case _:
                assert_never(command)

    async def _dispatch_session_command(self, command: ActAs | SwitchThread | StartThread | ControlThread) -> None:
        match command:
            case ActAs(person):
                await self._act_as(person)
            case SwitchThread(thread_id):
                await self._switch_thread(thread_id)
            case StartThread(agent):
                await self._start_new_thread(agent)
            case ControlThread(action):
                await self._post_action(action)

    async def _send_message(self, text: str) -> None:
        self._renderer.unechoed_texts.append(text)
        try:
            await self._post_message(text)
        except HandrailError:
            self._renderer.unechoed_texts.remove(text)
            raise

    async def _post_message(self, text: str) -> None:
        server = self.server
        if self.thread_id is not None:
            body = {"text": text, "actor": server.person}
            await server.post(api_path("threads", self.thread_id, "messages"), body, retries=MAX_RETRIES)
            return
        body = {"message": text, "agent": self.agent, "requester": server.person, "reply_to": server.address}
        thread = await server.post(api_path("threads"), body, retries=MAX_RETRIES)
        self._start_following(thread["id"])

    async def _send_answer(self, command: AnswerCommand) -> None:
        if isinstance(command, Approve) and command.code is None:
            await self._request_watcher.poll()
        request = await self._answer_sender.send(command)
        if request is None:
            return
        self._request_watcher.show_request(request)
        if (note := request.get("note")) is not None:
            self._print(info_view(note))
        if self.thread_id is None:  # show what the answer leads to
            self._start_following(request["thread_id"], await self._fetch_last_answer_seq(request))

    async def _fetch_last_answer_seq(self, request: Mapping[str, Any]) -> int:
        """Return the `seq` of the last answer in the log of the request's thread."""
        found = await self.server.get(api_path("threads", request["thread_id"], "events"), retries=MAX_RETRIES)
        answers = (event["seq"] for event in found["events"] if event["type"] == "RequestAnswered")
        return max(answers, default=0)

    async def _start_new_thread(self, agent: str | None) -> None:
        if agent is not None:
            await self._require_agent(agent)
        self._stop_following()
        self.agent = agent or self.agent
        self._print(info_view("your next message starts a new thread" + (f" with {agent}" if agent else "")))

    async def _post_action(self, action: str) -> None:
        if self.thread_id is None:
            raise Conflict(f"there is no thread to {action} here; /threads lists threads, /thread ID switches to one")
        await self.server.post(api_path("threads", self.thread_id, action), retries=MAX_RETRIES)

    async def _act_as(self, person: str) -> None:
        previous_name, self.server.name = self.server.name, person
        try:
            await self._request_watcher.poll()
        except HandrailError:
            self.server.name = previous_name
            raise
        self._print(info_view(f"you now act as {person}"))

    async def _switch_thread(self, id_or_prefix: str) -> None:
        found = await self.server.get(api_path("threads", await resolve_thread_id(self.server, id_or_prefix)))
        thread = ApiThread.model_validate(found)
        self._stop_following()
        self._print(threads_table([thread]))
        self._start_following(thread.id, max(0, thread.version - MAX_EARLIER_EVENTS), catch_up_seq=thread.version)

    def _start_following(self, thread_id: str, after: int = 0, *, catch_up_seq: int = 0) -> None:
        self.thread_id, self._last_seq, self._catch_up_seq = thread_id, after, catch_up_seq
        self._follow_task = asyncio.create_task(self._follow(thread_id, after))

    def _stop_following(self) -> None:
        self.thread_id = None
        if self._follow_task is not None:
            self._follow_task.cancel()

    async def _follow(self, thread_id: str, after: int) -> None:
        try:
            async for item in self.server.follow(thread_id, after):
                await self._on_stream_item(thread_id, item)
        except HandrailError as error:
            self._print(error_view(str(error)))

    async def _on_stream_item(self, thread_id: str, item: LoggedEvent | ConnectionChange) -> None:
        if isinstance(item, ConnectionChange):
            self._print(info_view("connection lost; reconnecting" if item.is_lost else "reconnected"))
            return
        self._print(*self._renderer.render_event(item))
        if item.seq < self._catch_up_seq:
            pass  # earlier requests are shown together at the end
        elif item.seq == self._catch_up_seq:
            await self._request_watcher.show_earlier(thread_id)
        elif (request_id := request_id_of_event(item)) is not None:
            await self._request_watcher.refresh([request_id])
        elif item.type in THREAD_END_EVENTS:
            await self._request_watcher.refresh(
                [one.id for one in self._renderer.open_requests() if one.thread_id == thread_id]
            )
        self._has_timer = item.type == "TimerSet" or (self._has_timer and item.type not in TIMER_END_EVENTS)
        self._last_seq = item.seq
        self._event_received.set()

    async def _poll_requests(self) -> None:
        """Poll for requests that this person can decide in any thread, and for their outcome."""
        with suppress(HandrailError):  # a token without a person cannot decide requests
            while True:
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
                with suppress(Retryable):
                    await self._request_watcher.poll()

    async def _wait_until_idle(self) -> None:
        """Return when the thread is not running and all of its events are shown, or after a timeout.

        While the server is unavailable, this waits like the live log, which reconnects.
        """
        try:
            while self.thread_id is not None and self._follow_task is not None and not self._follow_task.done():
                self._event_received.clear()
                async with asyncio.timeout(IDLE_TIMEOUT_SECONDS):
                    thread = await self._fetch_thread(self.thread_id)
                is_retrying = thread["status"] == "waiting_for_time" and not self._has_timer
                if thread["status"] != "running" and not is_retrying and thread["version"] <= self._last_seq:
                    return
                async with asyncio.timeout(IDLE_TIMEOUT_SECONDS):
                    await self._event_received.wait()
        except TimeoutError:
            self._print(error_view(f"nothing happened for {IDLE_TIMEOUT_SECONDS:g} seconds"))

    async def _fetch_thread(self, thread_id: str) -> Mapping[str, Any]:
        """Return the thread as soon as the server is available."""
        while True:
            with suppress(Retryable):
                thread: Mapping[str, Any] = await self.server.get(api_path("threads", thread_id), retries=MAX_RETRIES)
                return thread

    def _remember_closed(self, details: Any) -> None:
        """Remember a request whose outcome was in the error of a late answer, so that it is not shown twice."""
        with suppress(ValueError):
            self._renderer.remember(ApiRequest.model_validate(details))

    def _print(self, *views: RenderableType) -> None:
        for view in views:
            self.console.print(view)
