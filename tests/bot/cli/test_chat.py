"""`handrail chat`: a conversation that is typed, and one thing said by a program."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO

import httpx
import pytest
from rich.console import Console

from bot.cli.chat.once import run_once
from bot.cli.chat.renderer import EventRenderer, request_id_of_event
from bot.cli.chat.session import Session
from channels.terminal.client import LoggedEvent, TerminalClient, api_path
from channels.terminal.views import ApiRequest

WIDE = 400


@pytest.fixture(autouse=True)
async def _close_open_requests(server):
    """What an earlier test asked is not shown to the next one."""
    async with a_client(server) as client:
        for request in await client.list_all(api_path("requests"), "requests", max_items=100, status="open"):
            await client.post(api_path("threads", request["thread_id"], "cancel"))


def a_client(server, person: str | None = "you") -> TerminalClient:
    token = (server.folder.path / ".handrail" / "api-token").read_text().strip()
    return TerminalClient(f"http://127.0.0.1:{server.port}", token, person)


class Terminal:
    """Somebody who types all lines at once, each after what came of the one before, and reads what is shown."""

    def __init__(self, server, person: str | None = "you") -> None:
        self._client = a_client(server, person)

    async def types(self, *lines: str) -> str:
        shown = StringIO()
        screen = Console(file=shown, width=WIDE, markup=False, emoji=False, highlight=False)

        async def typed() -> AsyncIterator[str]:
            for line in lines:
                yield line

        async with self._client as client:
            await Session(client, screen).run(typed(), is_scripted=True)
        return shown.getvalue()


def code_in(shown: str) -> str:
    return shown.rpartition("/approve ")[2].split()[0].rstrip(".")


async def test_a_conversation_shows_what_was_asked_and_what_came_of_it(server):
    shown = await Terminal(server).types("deploy v1.4.0 to staging", "hm, let me see", "/quit", "never read")
    assert "deploy wants to run push_release_tag" in shown
    assert "you: hm" not in shown
    assert f"{code_in(shown)} still waits for " in shown
    done = await Terminal(server).types(f"/approve {code_in(shown)} go")
    assert f"{code_in(shown)} approved by You (terminal)" in done
    assert "deploy: staging is now v1.4.0" in done


async def test_a_card_that_waits_is_shown_to_whoever_may_decide_and_once(server):
    asked = await Terminal(server).types("roll back production")
    shown = await Terminal(server).types("/requests", "/help")
    assert shown.count(f"/approve {code_in(asked)}") == 1
    assert "no" in await Terminal(server).types(f"/deny {code_in(asked)} no")


async def test_a_question_is_answered_by_its_code_or_simply_in_words(server):
    asked = await Terminal(server).types("deploy to staging")
    assert "deploy asks" in asked
    code = asked.rpartition("/answer ")[2].split()[0]
    assert "wants to run push_release_tag" in await Terminal(server).types(f"/answer {code} v1.3.0")
    assert "wants to run push_release_tag" in await Terminal(server).types("deploy to staging", "v1.3.0")


async def test_an_edit_changes_what_is_approved(server):
    asked = await Terminal(server).types("deploy v1.4.0 to production")
    edited = '{"environment": "production", "tag": "v1.3.0"}'
    shown = await Terminal(server).types(f"/edit {code_in(asked)} {edited}")
    assert "production is now v1.3.0" in shown


async def test_threads_are_listed_and_switched_to_with_what_was_said_in_them(server):
    await Terminal(server).types("what is deployed to staging")
    shown = await Terminal(server).types("/threads")
    newest = next(word for word in shown.split() if word.startswith("thr_"))
    again = await Terminal(server).types(f"/thread {newest}")
    assert "You: what is deployed to staging" in again
    assert "deploy: staging is" in again


async def test_what_is_refused_is_told_and_the_conversation_goes_on(server):
    shown = await Terminal(server).types(
        "/approve ZZZZZ", "/thread thr_none", "/frob", "/as nobody", "/new nobody", "hello", "/new deploy", "list tags"
    )
    for told in (
        "there is no request ZZZZZ",
        "there is no thread thr_none",
        "there is no /frob",
        "person:nobody is nobody",
        "there is no agent",
        "deploy: v1.4.0",
    ):
        assert told in shown


async def test_an_answer_that_comes_too_late_is_told_who_was_first(server):
    asked = await Terminal(server).types("deploy v1.2.0 to staging")
    code = code_in(asked)
    await Terminal(server).types(f"/deny {code} no")
    late = await Terminal(server).types(f"/approve {code}")
    assert "settled: denied by You (terminal): no" in late


async def test_an_instruction_replaces_what_was_asked(server):
    shown = await Terminal(server).types("deploy v1.3.0 to production", "deploy v1.2.0 to production")
    assert "replaced by a new instruction" in shown
    assert shown.count("wants to run push_release_tag") == 2
    assert "the thread" not in await Terminal(server).types(f"/deny {code_in(shown)}")


async def test_cancelling_elsewhere_is_seen_here(server):
    asked = await Terminal(server).types("deploy v1.2.0 to production")
    thread = next(word for word in asked.split() if word.startswith("thr_"))
    assert server.folder.run("threads", "cancel", thread).exit_code == 0
    shown = await Terminal(server).types(f"/thread {thread}", "one more thing")
    assert "cancelled with its thread" in shown
    assert "is cancelled" in shown


REQUEST = {
    "id": "req_1",
    "code": "K7Q2M",
    "kind": "approval",
    "thread_id": "thr_1",
    "agent": "deploy",
    "tool": "roll_back",
    "digest": "d1",
    "status": "open",
}
YES = {
    "by": "person:bob",
    "channel": "terminal:bob",
    "decision": "approve",
    "at": "2026-03-01T09:10:00Z",
    "counted": True,
}


def told(news: EventRenderer, **changed: object) -> int:
    """How many things a request gives to show."""
    return len(list(news.render_request_changes(ApiRequest.model_validate({**REQUEST, **changed}))))


def test_each_news_of_a_request_is_shown_once():
    news = EventRenderer()
    assert [told(news), told(news)] == [1, 0]
    assert [told(news, answers=[YES]), told(news, answers=[YES])] == [1, 0]
    assert told(news, answers=[YES], digest="d2") == 1
    assert [told(news, status="approved", answers=[YES, YES]), told(news, status="approved")] == [1, 0]
    assert news.open_requests() == []


def test_what_we_said_ourselves_is_not_said_again_but_what_others_say_is():
    news = EventRenderer(unechoed_texts=["hello"])
    said = LoggedEvent(2, "MessageReceived", "2026-03-01T09:00:00Z", "person:you", {"text": "hello"})
    assert list(news.render_event(said)) == []
    assert [str(one) for one in news.render_event(said)] == ["you: hello"]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("ThreadFinished", {"outcome": "failed", "reason": "out of budget"}, ["the thread failed: out of budget"]),
        ("ThreadFinished", {"outcome": "done", "reason": ""}, []),
        ("ThreadPaused", {"reason": "paused by You"}, ["the thread is paused: paused by You"]),
        ("RequestReminded", {"request_id": "req_1", "nth": 1}, ["nobody has answered yet"]),
        ("ToolFailed", {"error": "git is away"}, ["that did not work: git is away"]),
        ("MessageEdited", {"ref": "C1:1.5", "text": "not v1"}, ["engine (edited): not v1"]),
        ("MessageDeleted", {"ref": "C1:1.5"}, ["engine took a message back"]),
        ("Unheard", {}, []),
    ],
)
def test_remarks_are_made_of_what_moves_people(kind, data, shown):
    event = LoggedEvent(2, kind, "2026-03-01T09:00:00Z", "system:engine", data)
    assert [str(one) for one in EventRenderer().render_event(event)] == shown


def test_events_name_the_request_they_are_about():
    def named(kind: str, **data: object) -> str | None:
        return request_id_of_event(LoggedEvent(1, kind, "2026-03-01T09:00:00Z", "system:engine", data))

    assert named("RequestOpened", request={"id": "req_1"}) == "req_1"
    assert named("RequestAnswered", request_id="req_1") == "req_1"
    assert named("ToolStarted", request_id="req_1") is None


def test_one_thing_said_is_answered_in_json_lines(run_on_server):
    ended = run_on_server("chat", "--once", "what is deployed to production")
    assert ended.exit_code == 0
    reply, thread = ended.lines
    assert reply.keys() == {"type", "text"}
    assert reply["text"].startswith("production is")
    assert (thread["type"], thread["status"], thread["origin"]) == ("thread", "done", "terminal:you")


def test_one_thing_said_to_nobody_is_refused(run_on_server):
    ended = run_on_server("chat", "--once", "hello", "--agent", "nobody")
    assert (ended.exit_code, ended.out) == (1, "")
    assert "there is no agent" in ended.err


def a_thread(status: str) -> dict[str, object]:
    return {"id": "thr_1", "status": status, "version": 1}


def stuck(status: str):
    """A server whose thread never gets beyond its first event."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "events" in request.url.path:
            event = {"seq": 1, "type": "ThreadStarted", "at": "", "actor": "person:you", "data": {}}
            return httpx.Response(200, text=f"data: {json.dumps(event)}\n\n")
        return httpx.Response(200, json=a_thread(status))

    return answer


@pytest.mark.parametrize(("status", "code"), [("done", 0), ("paused", 0), ("failed", 1), ("cancelled", 1)])
async def test_how_the_thread_rests_is_the_exit_code(capsys, status, code):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx.MockTransport(stuck(status)))
    async with client:
        assert await run_once(client, "hello", None) == code
    assert json.loads(capsys.readouterr().out) == {"type": "thread", **a_thread(status)}


def moving(*steps: tuple[str, dict[str, object], str]):
    """A server whose thread has this status after each of these events."""
    statuses = [status for _, _, status in steps]

    def answer(request: httpx.Request) -> httpx.Response:
        if "events" in request.url.path:
            told = [
                {"seq": seq, "type": kind, "at": "", "actor": "system:engine", "data": data}
                for seq, (kind, data, _) in enumerate(steps, start=1)
            ]
            return httpx.Response(200, text="".join(f"data: {json.dumps(event)}\n\n" for event in told))
        if request.method == "POST":
            return httpx.Response(201, json={"id": "thr_1", "status": "running", "version": 1})
        version = len(steps) - len(statuses) + 1
        return httpx.Response(200, json={"id": "thr_1", "status": statuses.pop(0), "version": version})

    return answer


SOON = "2026-03-01T09:10:00Z"
HICCUP = ("StepRejected", {"outcome": "unavailable", "retry_at": SOON}, "waiting_for_time")
ANSWERED = ("ReplyChosen", {"text": "Here I am."}, "running")
FINISHED = ("ThreadFinished", {"outcome": "done", "reason": ""}, "done")
WAITS = ("TimerSet", {"fires_at": SOON, "reason": "tea"}, "waiting_for_time")


@pytest.mark.parametrize(
    ("steps", "status", "lines"),
    [
        ((HICCUP, HICCUP, ANSWERED, FINISHED), "done", 2),
        ((("ToolFailed", {"error": "away", "retry_at": SOON}, "waiting_for_time"), ANSWERED, FINISHED), "done", 2),
        ((HICCUP, ("ThreadPaused", {"reason": "no key"}, "paused")), "paused", 1),
        ((HICCUP, WAITS), "waiting_for_time", 1),
    ],
    ids=["model retried", "tool retried", "then paused", "then a timer"],
)
async def test_once_outlasts_a_retry_and_ends_where_the_thread_waits(capsys, steps, status, lines):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx.MockTransport(moving(*steps)))
    async with client, asyncio.timeout(5):
        assert await run_once(client, "hello", None) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (shown[-1]["status"], len(shown)) == (status, lines)


async def test_a_thread_that_does_not_move_is_given_up(capsys):
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx.MockTransport(stuck("running")))
    async with client, asyncio.timeout(5):
        assert await run_once(client, "hello", None, idle_timeout_seconds=0.05) == 1
    shown = capsys.readouterr()
    assert "nothing moved" in shown.err
    assert json.loads(shown.out)["status"] == "running"
