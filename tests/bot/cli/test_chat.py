"""`handrail chat`: typed conversations, and `--once`."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO

import httpx2
import pytest
from rich.console import Console

from bot.cli.chat.once import run_once
from bot.cli.chat.renderer import EventRenderer, request_id_of_event
from bot.cli.chat.session import Session
from channels.terminal.client import LoggedEvent, TerminalClient, api_path
from channels.terminal.views import ApiRequest

CONSOLE_WIDTH = 400
EVENT_STREAM = {"Content-Type": "text/event-stream"}


@pytest.fixture(autouse=True)
async def _close_open_requests(server):
    """Cancel requests of earlier tests, so that they are not shown."""
    async with make_client(server) as client:
        for request in await client.list_all(api_path("requests"), "requests", max_items=100, status="open"):
            await client.post(api_path("threads", request["thread_id"], "cancel"))


def make_client(server, person: str | None = "you") -> TerminalClient:
    token = (server.folder.path / ".handrail" / "api-token").read_text().strip()
    return TerminalClient(f"http://127.0.0.1:{server.port}", token, person)


class Terminal:
    """Scripted chat that types each line after the results of the line before."""

    def __init__(self, server, person: str | None = "you") -> None:
        self._client = make_client(server, person)

    async def type_lines(self, *lines: str) -> str:
        output = StringIO()
        console = Console(file=output, width=CONSOLE_WIDTH, markup=False, emoji=False, highlight=False)

        async def typed_lines() -> AsyncIterator[str]:
            for line in lines:
                yield line

        async with self._client as client:
            await Session(client, console).run(typed_lines(), is_scripted=True)
        return output.getvalue()


def find_code(shown: str) -> str:
    return shown.rpartition("/approve ")[2].split()[0].rstrip(".")


async def test_chat_shows_a_request_and_the_result_of_its_approval(server):
    shown = await Terminal(server).type_lines("deploy v1.4.0 to staging", "hm, let me see", "/quit", "never read")
    assert "deploy wants to run push_release_tag" in shown
    assert "you: hm" not in shown
    assert f"{find_code(shown)} still waits for " in shown
    done = await Terminal(server).type_lines(f"/approve {find_code(shown)} go")
    assert f"{find_code(shown)} approved by You (terminal)" in done
    assert "deploy: staging is now v1.4.0" in done


async def test_open_request_is_shown_once_to_its_approver(server):
    output = await Terminal(server).type_lines("roll back production")
    shown = await Terminal(server).type_lines("/requests", "/help")
    assert shown.count(f"/approve {find_code(output)}") == 1
    assert "no" in await Terminal(server).type_lines(f"/deny {find_code(output)} no")


async def test_question_is_answered_by_code_or_by_message(server):
    output = await Terminal(server).type_lines("deploy to staging")
    assert "deploy asks" in output
    code = output.rpartition("/answer ")[2].split()[0]
    assert "wants to run push_release_tag" in await Terminal(server).type_lines(f"/answer {code} v1.3.0")
    assert "wants to run push_release_tag" in await Terminal(server).type_lines("deploy to staging", "v1.3.0")


async def test_edit_approves_changed_arguments(server):
    output = await Terminal(server).type_lines("deploy v1.4.0 to production")
    edited = '{"environment": "production", "tag": "v1.3.0"}'
    shown = await Terminal(server).type_lines(f"/edit {find_code(output)} {edited}")
    assert "production is now v1.3.0" in shown


async def test_switching_to_a_thread_shows_its_messages(server):
    await Terminal(server).type_lines("what is deployed to staging")
    shown = await Terminal(server).type_lines("/threads")
    newest = next(word for word in shown.split() if word.startswith("thr_"))
    switched = await Terminal(server).type_lines(f"/thread {newest}")
    assert "You: what is deployed to staging" in switched
    assert "deploy: staging is" in switched


async def test_chat_continues_after_errors(server):
    shown = await Terminal(server).type_lines(
        "/approve ZZZZZ", "/thread thr_none", "/frob", "/as nobody", "/new nobody", "hello", "/new deploy", "list tags"
    )
    for text in (
        "there is no request ZZZZZ",
        "there is no thread thr_none",
        "there is no /frob",
        "person:nobody is not a known person",
        "there is no agent",
        "deploy: v1.4.0",
    ):
        assert text in shown


async def test_late_answer_names_who_answered_first(server):
    output = await Terminal(server).type_lines("deploy v1.2.0 to staging")
    code = find_code(output)
    await Terminal(server).type_lines(f"/deny {code} no")
    late = await Terminal(server).type_lines(f"/approve {code}")
    assert "settled: denied by You (terminal): no" in late


async def test_new_instruction_replaces_the_request(server):
    shown = await Terminal(server).type_lines("deploy v1.3.0 to production", "deploy v1.2.0 to production")
    assert "replaced by a new instruction" in shown
    assert shown.count("wants to run push_release_tag") == 2
    assert "the thread" not in await Terminal(server).type_lines(f"/deny {find_code(shown)}")


async def test_cancellation_by_another_command_is_shown(server):
    output = await Terminal(server).type_lines("deploy v1.2.0 to production")
    thread = next(word for word in output.split() if word.startswith("thr_"))
    assert server.folder.run("threads", "cancel", thread).exit_code == 0
    shown = await Terminal(server).type_lines(f"/thread {thread}", "one more thing")
    assert "cancelled with its thread" in shown
    assert "is cancelled" in shown


REQUEST_FIELDS = {
    "id": "req_1",
    "code": "K7Q2M",
    "kind": "approval",
    "thread_id": "thr_1",
    "agent": "deploy",
    "tool": "roll_back",
    "digest": "d1",
    "status": "open",
}
APPROVAL = {
    "by": "person:bob",
    "channel": "terminal:bob",
    "decision": "approve",
    "at": "2026-03-01T09:10:00Z",
    "counted": True,
}


def count_views(renderer: EventRenderer, **fields: object) -> int:
    """Return the number of views that a request with these fields adds to the output."""
    return len(list(renderer.render_request_changes(ApiRequest.model_validate({**REQUEST_FIELDS, **fields}))))


def test_each_change_of_a_request_is_shown_once():
    renderer = EventRenderer()
    assert [count_views(renderer), count_views(renderer)] == [1, 0]
    assert [count_views(renderer, answers=[APPROVAL]), count_views(renderer, answers=[APPROVAL])] == [1, 0]
    assert count_views(renderer, answers=[APPROVAL], digest="d2") == 1
    assert [
        count_views(renderer, status="approved", answers=[APPROVAL, APPROVAL]),
        count_views(renderer, status="approved"),
    ] == [
        1,
        0,
    ]
    assert renderer.open_requests() == []


def test_own_message_is_not_echoed_but_later_ones_are_shown():
    renderer = EventRenderer(unechoed_texts=["hello"])
    event = LoggedEvent(2, "MessageReceived", "2026-03-01T09:00:00Z", "person:you", {"text": "hello"})
    assert list(renderer.render_event(event)) == []
    assert [str(view) for view in renderer.render_event(event)] == ["you: hello"]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("ThreadFinished", {"outcome": "failed", "reason": "out of budget"}, ["the thread failed: out of budget"]),
        ("ThreadFinished", {"outcome": "done", "reason": ""}, []),
        ("ThreadPaused", {"reason": "paused by You"}, ["the thread is paused: paused by You"]),
        ("RequestReminded", {"request_id": "req_1", "nth": 1}, ["the request has not been answered yet"]),
        ("ToolFailed", {"error": "git is away"}, ["the tool failed: git is away"]),
        ("MessageEdited", {"ref": "C1:1.5", "text": "not v1"}, ["engine (edited): not v1"]),
        ("MessageDeleted", {"ref": "C1:1.5"}, ["engine deleted a message"]),
        ("UnknownType", {}, []),
    ],
)
def test_events_that_matter_to_people_are_shown(kind, data, shown):
    event = LoggedEvent(2, kind, "2026-03-01T09:00:00Z", "system:engine", data)
    assert [str(view) for view in EventRenderer().render_event(event)] == shown


def test_event_has_the_id_of_its_request():
    def request_id(kind: str, **data: object) -> str | None:
        return request_id_of_event(LoggedEvent(1, kind, "2026-03-01T09:00:00Z", "system:engine", data))

    assert request_id("RequestOpened", request={"id": "req_1"}) == "req_1"
    assert request_id("RequestAnswered", request_id="req_1") == "req_1"
    assert request_id("ToolStarted", request_id="req_1") is None


def test_once_prints_json_lines(run_on_server):
    result = run_on_server("chat", "--once", "what is deployed to production")
    assert result.exit_code == 0
    reply, thread = result.lines
    assert reply.keys() == {"type", "text"}
    assert reply["text"].startswith("production is")
    assert (thread["type"], thread["status"], thread["origin"]) == ("thread", "done", "terminal:you")


def test_once_refuses_an_unknown_agent(run_on_server):
    result = run_on_server("chat", "--once", "hello", "--agent", "nobody")
    assert (result.exit_code, result.out) == (1, "")
    assert "there is no agent" in result.err


def make_thread(status: str) -> dict[str, object]:
    return {"id": "thr_1", "status": status, "version": 1}


def make_stuck_server(status: str):
    """Return a server whose thread never gets beyond its first event."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        if "events" in request.url.path:
            event = {"seq": 1, "type": "ThreadStarted", "at": "", "actor": "person:you", "data": {}}
            return httpx2.Response(200, text=f"data: {json.dumps(event)}\n\n", headers=EVENT_STREAM)
        return httpx2.Response(200, json=make_thread(status))

    return respond


@pytest.mark.parametrize(("status", "code"), [("done", 0), ("paused", 0), ("failed", 1), ("cancelled", 1)])
async def test_exit_code_of_once_depends_on_the_final_status(capsys, status, code):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(make_stuck_server(status)))
    async with client:
        assert await run_once(client, "hello", None) == code
    assert json.loads(capsys.readouterr().out) == {"type": "thread", **make_thread(status)}


def make_advancing_server(*steps: tuple[str, dict[str, object], str]):
    """Return a server whose thread has the given status after each of these events."""
    statuses = [status for _, _, status in steps]

    def respond(request: httpx2.Request) -> httpx2.Response:
        if "events" in request.url.path:
            events = [
                {"seq": seq, "type": kind, "at": "", "actor": "system:engine", "data": data}
                for seq, (kind, data, _) in enumerate(steps, start=1)
            ]
            return httpx2.Response(
                200, text="".join(f"data: {json.dumps(event)}\n\n" for event in events), headers=EVENT_STREAM
            )
        if request.method == "POST":
            return httpx2.Response(201, json={"id": "thr_1", "status": "running", "version": 1})
        version = len(steps) - len(statuses) + 1
        return httpx2.Response(200, json={"id": "thr_1", "status": statuses.pop(0), "version": version})

    return respond


RETRY_AT = "2026-03-01T09:10:00Z"
STEP_REJECTED = ("StepRejected", {"outcome": "unavailable", "retry_at": RETRY_AT}, "waiting_for_time")
REPLY_CHOSEN = ("ReplyChosen", {"text": "Here I am."}, "running")
THREAD_FINISHED = ("ThreadFinished", {"outcome": "done", "reason": ""}, "done")
TIMER_SET = ("TimerSet", {"fires_at": RETRY_AT, "reason": "tea"}, "waiting_for_time")


@pytest.mark.parametrize(
    ("steps", "status", "lines"),
    [
        ((STEP_REJECTED, STEP_REJECTED, REPLY_CHOSEN, THREAD_FINISHED), "done", 2),
        (
            (
                ("ToolFailed", {"error": "away", "retry_at": RETRY_AT}, "waiting_for_time"),
                REPLY_CHOSEN,
                THREAD_FINISHED,
            ),
            "done",
            2,
        ),
        ((STEP_REJECTED, ("ThreadPaused", {"reason": "no key"}, "paused")), "paused", 1),
        ((STEP_REJECTED, TIMER_SET), "waiting_for_time", 1),
    ],
    ids=["model retried", "tool retried", "then paused", "then a timer"],
)
async def test_once_continues_through_retries_until_the_thread_waits(capsys, steps, status, lines):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(make_advancing_server(*steps)))
    async with client, asyncio.timeout(90):
        assert await run_once(client, "hello", None) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (shown[-1]["status"], len(shown)) == (status, lines)


async def test_once_gives_up_when_nothing_happens(capsys):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(make_stuck_server("running")))
    async with client, asyncio.timeout(90):
        assert await run_once(client, "hello", None, idle_timeout_seconds=0.05) == 1
    shown = capsys.readouterr()
    assert "nothing happened" in shown.err
    assert json.loads(shown.out)["status"] == "running"
