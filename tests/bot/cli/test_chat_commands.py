"""Chat commands, typed by a script and sent to a scripted server."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import httpx2
import pytest
from rich.console import Console

from agents.core.errors import UnknownAgent
from bot.cli.chat.session import Session
from channels.terminal.client import TerminalClient

AGENTS = [{"name": "deploy", "purpose": "Deploys."}, {"name": "guard", "purpose": "Guards."}]
CALLER = {"token": "generated", "address": "person:you", "name": "You", "roles": ["*"], "scopes": ["read", "answer"]}
EVENT_STREAM = {"Content-Type": "text/event-stream"}
REQUEST_CODES = ("K7Q2M", "SBWHF", "G2TA5", "AAAAA", "BBBBB")
THREAD_ID = "thr_1m7yvk6vt6skp1zqph"


def make_request(code: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"req_{code}",
        "code": code,
        "kind": "approval",
        "thread_id": THREAD_ID,
        "agent": "deploy",
        "tool": "push_release_tag",
        "arguments": {"tag": "v1.4.0", "environment": "production"},
        "digest": f"digest of {code}",
        "status": "open",
        **fields,
    }


class ScriptedServer:
    """Server with some requests. `mine` has the codes that it lists as decidable; an answer closes its request."""

    def __init__(self, *requests: dict[str, Any], mine: tuple[str, ...] | None = None) -> None:
        self.requests = {request["code"]: request for request in requests}
        self.mine = tuple(self.requests) if mine is None else mine
        self.received_actions: list[tuple[str, dict[str, Any]]] = []
        self.threads = [THREAD_ID]
        self.events: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        parts = request.url.path.split("/")[2:]
        if request.method == "POST":
            return self._post(parts, json.loads(request.content))
        if parts[-1] == "events":
            return self._get_events(request)
        if len(parts) > 1:
            return self._get_item(*parts)
        lists = {"agents": AGENTS, "threads": [self._thread(thread_id) for thread_id in self.threads]}
        lists["requests"] = self._list_requests(request.url.params)
        [name] = parts
        return httpx2.Response(200, json=CALLER if name == "me" else {name: lists[name]})

    def _list_requests(self, query: httpx2.QueryParams) -> list[dict[str, Any]]:
        codes = self.mine if query.get("mine") else self.requests
        requests = [self.requests[code] for code in codes]
        return [request for request in requests if request["status"] == query.get("status", request["status"])]

    def _get_item(self, kind: str, id_or_code: str) -> httpx2.Response:
        if kind == "threads":
            return httpx2.Response(200, json=self._thread(id_or_code))
        request = self.requests.get(id_or_code.removeprefix("req_"))
        if request is None:
            return error_response(404, "request_not_found", "there is no request")
        return httpx2.Response(200, json=request)

    def _get_events(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers["Accept"] == "text/event-stream":
            return httpx2.Response(
                200, text="".join(f"data: {json.dumps(event)}\n\n" for event in self.events), headers=EVENT_STREAM
            )
        return httpx2.Response(200, json={"events": self.events})

    def _thread(self, thread_id: str) -> dict[str, Any]:
        details = {"agent": "deploy", "status": "done", "requester": "person:you", "updated_at": "2026-03-01T09:00:00Z"}
        return {"id": thread_id, "version": len(self.events), **details}

    def _post(self, parts: list[str], body: dict[str, Any]) -> httpx2.Response:
        self.received_actions.append(("/".join(parts), body))
        if parts == ["threads"]:
            return httpx2.Response(201, json=self._thread(THREAD_ID))
        if parts[0] == "threads":
            return httpx2.Response(200, json=self._thread(parts[1]))
        request = self.requests[parts[1].removeprefix("req_")]
        if body.get("digest", request["digest"]) != request["digest"]:
            return error_response(409, "approval_changed", "The request was changed after you opened it", request)
        if body.get("arguments", {}).get("tag") == "v0":
            return error_response(422, "invalid_arguments", "There is no tag v0.")
        request["status"] = "approved"
        return httpx2.Response(200, json=request)


def error_response(status: int, code: str, message: str, details: Any = None) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"code": code, "message": message, "details": details}})


async def type_lines(server: ScriptedServer, *lines: str, agent: str | None = None) -> str:
    """Type the lines one after the other and return all output."""
    output = StringIO()
    console = Console(file=output, width=400, markup=False, emoji=False, highlight=False)

    async def keyboard() -> AsyncIterator[str]:
        for line in lines:
            yield line

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx2.MockTransport(server)) as client:
        await Session(client, console, agent).run(keyboard())
    return output.getvalue()


async def test_approval_has_the_digest_of_the_shown_card():
    server = ScriptedServer(make_request("K7Q2M"))
    assert "/approve K7Q2M" in await type_lines(server, "/approve K7Q2M go")
    [(path, body)] = server.received_actions
    assert path == "requests/req_K7Q2M/answer"
    assert (body["decision"], body["digest"], body["comment"]) == ("approve", "digest of K7Q2M", "go")


@pytest.mark.parametrize("reply", ["y", "Yes"])
async def test_unseen_card_is_shown_and_approved_after_a_yes(reply):
    server = ScriptedServer(make_request("K7Q2M"), mine=())
    shown = await type_lines(server, "/approve k7q2m", reply)
    assert "v1.4.0" in shown
    assert server.received_actions[0][1]["digest"] == "digest of K7Q2M"


@pytest.mark.parametrize("replies", [["", "n"], ["n"], ["no, wait"], [], ["/whoami"]])
async def test_any_other_reply_decides_nothing(replies):
    server = ScriptedServer(make_request("K7Q2M"), mine=())
    shown = await type_lines(server, "/approve K7Q2M", *replies)
    assert "nothing was decided" in shown
    assert ("you are You" in shown) == ("/whoami" in replies)
    assert not [path for path, _ in server.received_actions if "answer" in path]


async def test_empty_line_decides_nothing():
    server = ScriptedServer(make_request("K7Q2M"))
    await type_lines(server, "", " ", "\t")
    assert server.received_actions == []


async def test_approval_of_a_changed_request_shows_the_new_card():
    class EditingServer(ScriptedServer):
        """Server on which another person edits the request just before each answer arrives."""

        def _post(self, parts: list[str], body: dict[str, Any]) -> httpx2.Response:
            self.requests["K7Q2M"] |= {"digest": "another", "arguments": {"tag": "v9"}}
            return super()._post(parts, body)

    editing_server = EditingServer(make_request("K7Q2M"))
    shown = await type_lines(editing_server, "/approve K7Q2M")
    assert "was changed after you opened it" in shown
    assert "v9" in shown
    assert editing_server.requests["K7Q2M"]["status"] == "open"


async def test_approve_without_a_code_approves_the_only_open_request():
    server = ScriptedServer(make_request("K7Q2M"), make_request("SBWHF", kind="question", question="Why?", tool=None))
    await type_lines(server, "/approve")
    assert [path for path, _ in server.received_actions] == ["requests/req_K7Q2M/answer"]


async def test_approve_without_a_code_lists_several_open_requests():
    server = ScriptedServer(make_request("K7Q2M"), make_request("SBWHF"))
    shown = await type_lines(server, "/approve")
    assert "several requests are open" in shown
    assert shown.count("SBWHF") > 1
    assert server.received_actions == []


async def test_approve_without_an_open_request_is_an_error():
    assert "no request is waiting for your approval" in await type_lines(ScriptedServer(), "/approve")


async def test_edit_keeps_other_arguments():
    server = ScriptedServer(make_request("K7Q2M"))
    await type_lines(server, "/edit K7Q2M tag=v1.4.1")
    assert server.received_actions[0][1]["arguments"] == {"tag": "v1.4.1", "environment": "production"}
    assert server.received_actions[0][1]["digest"] == "digest of K7Q2M"


async def test_edit_omits_arguments_that_preparation_filled_in():
    arguments = {"tag": "v1.4.0", "environment": "production", "commit": "7116d49a", "replaces": "v1.2.0 85d4297a"}
    server = ScriptedServer(make_request("K7Q2M", arguments=arguments, filled_in=["commit", "replaces"]))
    await type_lines(server, "/edit K7Q2M tag=v1.4.1")
    assert server.received_actions[0][1]["arguments"] == {"tag": "v1.4.1", "environment": "production"}


async def test_error_of_an_edit_names_the_arguments_that_were_kept():
    shown = await type_lines(ScriptedServer(make_request("K7Q2M")), "/edit K7Q2M tag=v0")
    assert "There is no tag v0. Arguments that were kept: environment" in shown


async def test_refused_json_edit_is_sent_again_as_typed():
    server = ScriptedServer(make_request("K7Q2M"))
    await type_lines(server, '/edit K7Q2M {"tag": "v0"}')
    assert [body["arguments"] for _, body in server.received_actions] == [
        {"tag": "v0", "environment": "production"},
        {"tag": "v0"},
    ]


async def test_unknown_agent_is_refused_and_the_chat_continues():
    server = ScriptedServer()
    shown = await type_lines(server, "/new guard", "hello", "/new foo", "and on")
    assert "there is no agent 'foo'; use one of: deploy, guard" in shown
    assert [body.get("agent") for _, body in server.received_actions] == ["guard", None]


async def test_chat_does_not_start_with_an_unknown_agent():
    with pytest.raises(UnknownAgent, match="deploy, guard"):
        await type_lines(ScriptedServer(), "hello", agent="foo")


async def test_control_commands_are_sent_for_the_thread():
    server = ScriptedServer()
    shown = await type_lines(server, "/pause", "hello", "/pause", "/resume", "/cancel")
    assert "there is no thread to pause here" in shown
    assert [path for path, _ in server.received_actions[1:]] == [
        f"threads/{THREAD_ID}/{action}" for action in ("pause", "resume", "cancel")
    ]


async def test_agents_and_the_caller_are_shown():
    shown = await type_lines(ScriptedServer(), "/agents", "/whoami", "/as bob", "/whoami")
    assert "guard   Guards." in shown
    assert "you are You (person:you, *), with the token generated: read, answer" in shown
    assert "you act as bob" in shown


async def test_many_waiting_requests_are_one_line_until_they_are_used():
    server = ScriptedServer(*(make_request(code) for code in REQUEST_CODES))
    shown = await type_lines(server, "/requests", "/approve SBWHF", "y")
    assert "5 requests are waiting for you; /requests lists them" in shown
    assert shown.count("/approve ") == 1
    assert server.received_actions[0][1]["digest"] == "digest of SBWHF"


async def test_many_closed_requests_of_a_thread_are_one_line():
    server = ScriptedServer(*(make_request(code, status="denied") for code in REQUEST_CODES), mine=())
    event = {"type": "RequestOpened", "at": "", "actor": "agent:deploy"}
    server.events = [
        {**event, "seq": seq, "data": {"request": {"id": f"req_{code}"}}} for seq, code in enumerate(REQUEST_CODES, 1)
    ]
    shown = await switch_to_thread(server, THREAD_ID)
    assert "5 earlier requests; /requests all lists them" in shown
    assert "denied" not in shown


async def switch_to_thread(server: ScriptedServer, thread_id: str) -> str:
    """Switch to a thread, wait until all of it is shown, and return the output."""
    output = StringIO()
    console = Console(file=output, width=400)

    async def keyboard() -> AsyncIterator[str]:
        yield f"/thread {thread_id}"

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx2.MockTransport(server)) as client:
        await Session(client, console).run(keyboard(), is_scripted=True)
    return output.getvalue()


class RestartingServer(ScriptedServer):
    """Server that cannot be reached for many requests after its first message, as during a slow restart."""

    failures_left = 20

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.received_actions and self.failures_left:
            self.failures_left -= 1
            raise httpx2.ConnectError("connection refused")
        return super().__call__(request)


async def test_scripted_chat_continues_after_a_slow_server_restart():
    server, output = RestartingServer(), StringIO()

    async def skip_delay(_seconds: float) -> None:
        await asyncio.sleep(0)

    async def keyboard() -> AsyncIterator[str]:
        yield "list tags"
        yield "/threads"

    transport = httpx2.MockTransport(server)
    async with TerminalClient("http://127.0.0.1:1", "", "you", sleep=skip_delay, transport=transport) as client:
        await Session(client, Console(file=output, width=400)).run(keyboard(), is_scripted=True)
    assert server.failures_left == 0
    assert THREAD_ID in output.getvalue()


async def test_thread_is_found_by_a_unique_prefix():
    server = ScriptedServer()
    server.threads = [THREAD_ID, "thr_1m7yvk6zzzzzzzzzzz"]
    assert "2 threads begin with thr_1m7yvk6: " in await type_lines(server, "/thread thr_1m7yvk6")
    assert THREAD_ID in await type_lines(server, "/thread thr_1m7yvk6v")


async def test_tab_completes_codes_agents_and_threads():
    server = ScriptedServer(make_request("K7Q2M"))
    output = StringIO()

    async def keyboard() -> AsyncIterator[str]:
        assert session.completions("/approve k") == ("K7Q2M",)
        assert session.completions("/edit K7Q2M e") == ("environment=",)
        assert session.completions("/new g") == ("guard",)
        assert session.completions("/thread ") == (THREAD_ID,)
        yield "/quit"

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx2.MockTransport(server)) as client:
        session = Session(client, Console(file=output))
        await session.run(keyboard())
