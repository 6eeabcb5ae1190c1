"""Orders of a conversation, typed by a fake keyboard to a server that answers from a script."""

import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.console import Console

from agents.errors import UnknownAgent
from bot.cli.chat.session import Session
from channels.terminal.client import TerminalClient

AGENTS = [{"name": "deploy", "purpose": "Deploys."}, {"name": "guard", "purpose": "Guards."}]
CALLER = {"token": "generated", "address": "person:you", "name": "You", "roles": ["*"], "scopes": ["read", "answer"]}
CODES = ("K7Q2M", "SBWHF", "G2TA5", "AAAAA", "BBBBB")
THREAD = "thr_1m7yvk6vt6skp1zqph"


def a_request(code: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": f"req_{code}",
        "code": code,
        "kind": "approval",
        "thread_id": THREAD,
        "agent": "deploy",
        "tool": "push_release_tag",
        "arguments": {"tag": "v1.4.0", "environment": "production"},
        "digest": f"digest of {code}",
        "status": "open",
        **changed,
    }


class ScriptedServer:
    """A server with some requests. `mine` are the codes of those it lists; an answer settles what it names."""

    def __init__(self, *requests: dict[str, Any], mine: tuple[str, ...] | None = None) -> None:
        self.requests = {request["code"]: request for request in requests}
        self.mine = tuple(self.requests) if mine is None else mine
        self.received_actions: list[tuple[str, dict[str, Any]]] = []
        self.threads = [THREAD]
        self.events: list[dict[str, Any]] = []

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        parts = asked.url.path.split("/")[2:]
        if asked.method == "POST":
            return self._ordered(parts, json.loads(asked.content))
        if parts[-1] == "events":
            return self._log(asked)
        if len(parts) > 1:
            return self._one(*parts)
        lists = {"agents": AGENTS, "threads": [self._thread(one) for one in self.threads]}
        lists["requests"] = self._listed(asked.url.params)
        [name] = parts
        return httpx.Response(200, json=CALLER if name == "me" else {name: lists[name]})

    def _listed(self, query: httpx.QueryParams) -> list[dict[str, Any]]:
        codes = self.mine if query.get("mine") else self.requests
        found = [self.requests[code] for code in codes]
        return [one for one in found if one["status"] == query.get("status", one["status"])]

    def _one(self, kind: str, named: str) -> httpx.Response:
        if kind == "threads":
            return httpx.Response(200, json=self._thread(named))
        found = self.requests.get(named.removeprefix("req_"))
        return httpx.Response(200, json=found) if found else a_problem(404, "request_not_found", "there is no request")

    def _log(self, asked: httpx.Request) -> httpx.Response:
        if asked.headers["Accept"] == "text/event-stream":
            return httpx.Response(200, text="".join(f"data: {json.dumps(event)}\n\n" for event in self.events))
        return httpx.Response(200, json={"events": self.events})

    def _thread(self, thread_id: str) -> dict[str, Any]:
        facts = {"agent": "deploy", "status": "done", "requester": "person:you", "updated_at": "2026-03-01T09:00:00Z"}
        return {"id": thread_id, "version": len(self.events), **facts}

    def _ordered(self, parts: list[str], body: dict[str, Any]) -> httpx.Response:
        self.received_actions.append(("/".join(parts), body))
        if parts == ["threads"]:
            return httpx.Response(201, json=self._thread(THREAD))
        if parts[0] == "threads":
            return httpx.Response(200, json=self._thread(parts[1]))
        request = self.requests[parts[1].removeprefix("req_")]
        if body.get("digest", request["digest"]) != request["digest"]:
            return a_problem(409, "approval_changed", "The request was changed after you opened it", request)
        if body.get("arguments", {}).get("tag") == "v0":
            return a_problem(422, "invalid_arguments", "There is no tag v0.")
        request["status"] = "approved"
        return httpx.Response(200, json=request)


def a_problem(status: int, code: str, message: str, details: Any = None) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message, "details": details}})


async def typed(house: ScriptedServer, *lines: str, agent: str | None = None) -> str:
    """Type the lines one after the other, and return all that was shown."""
    shown = StringIO()
    screen = Console(file=shown, width=400, markup=False, emoji=False, highlight=False)

    async def keyboard() -> AsyncIterator[str]:
        for line in lines:
            yield line

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx.MockTransport(house)) as client:
        await Session(client, screen, agent).run(keyboard())
    return shown.getvalue()


async def test_an_approval_carries_the_digest_of_the_card_that_was_shown():
    house = ScriptedServer(a_request("K7Q2M"))
    assert "/approve K7Q2M" in await typed(house, "/approve K7Q2M go")
    [(order, body)] = house.received_actions
    assert order == "requests/req_K7Q2M/answer"
    assert (body["decision"], body["digest"], body["comment"]) == ("approve", "digest of K7Q2M", "go")


@pytest.mark.parametrize("said", ["y", "Yes"])
async def test_what_was_not_shown_is_shown_first_and_approved_after_a_yes(said):
    house = ScriptedServer(a_request("K7Q2M"), mine=())
    shown = await typed(house, "/approve k7q2m", said)
    assert "v1.4.0" in shown
    assert house.received_actions[0][1]["digest"] == "digest of K7Q2M"


@pytest.mark.parametrize("said", [["", "n"], ["n"], ["no, wait"], [], ["/whoami"]])
async def test_anything_but_a_yes_decides_nothing(said):
    house = ScriptedServer(a_request("K7Q2M"), mine=())
    shown = await typed(house, "/approve K7Q2M", *said)
    assert "nothing was decided" in shown
    assert ("you are You" in shown) == ("/whoami" in said)
    assert not [order for order, _ in house.received_actions if "answer" in order]


async def test_a_bare_enter_never_decides():
    house = ScriptedServer(a_request("K7Q2M"))
    await typed(house, "", " ", "\t")
    assert house.received_actions == []


async def test_an_approval_of_a_request_that_changed_is_refused_and_its_new_card_shown():
    house = ScriptedServer(a_request("K7Q2M"))

    class Edited(ScriptedServer):
        def _ordered(self, parts: list[str], body: dict[str, Any]) -> httpx.Response:
            self.requests["K7Q2M"] |= {"digest": "another", "arguments": {"tag": "v9"}}
            return super()._ordered(parts, body)

    edited = Edited(*house.requests.values())
    shown = await typed(edited, "/approve K7Q2M")
    assert "no longer what is asked" in shown
    assert "v9" in shown
    assert edited.requests["K7Q2M"]["status"] == "open"


async def test_approve_alone_approves_the_only_open_request():
    house = ScriptedServer(a_request("K7Q2M"), a_request("SBWHF", kind="question", question="Why?", tool=None))
    await typed(house, "/approve")
    assert [order for order, _ in house.received_actions] == ["requests/req_K7Q2M/answer"]


async def test_approve_alone_lists_several_open_requests_and_decides_none():
    house = ScriptedServer(a_request("K7Q2M"), a_request("SBWHF"))
    shown = await typed(house, "/approve")
    assert "several requests are open" in shown
    assert shown.count("SBWHF") > 1
    assert house.received_actions == []


async def test_approve_alone_with_nothing_open_says_so():
    assert "nothing waits for your approval" in await typed(ScriptedServer(), "/approve")


async def test_an_edit_keeps_the_arguments_it_does_not_name():
    house = ScriptedServer(a_request("K7Q2M"))
    await typed(house, "/edit K7Q2M tag=v1.4.1")
    assert house.received_actions[0][1]["arguments"] == {"tag": "v1.4.1", "environment": "production"}
    assert house.received_actions[0][1]["digest"] == "digest of K7Q2M"


async def test_an_edit_leaves_out_what_preparation_filled_in():
    filled = {"tag": "v1.4.0", "environment": "production", "commit": "7116d49a", "replaces": "v1.2.0 85d4297a"}
    house = ScriptedServer(a_request("K7Q2M", arguments=filled, filled_in=["commit", "replaces"]))
    await typed(house, "/edit K7Q2M tag=v1.4.1")
    assert house.received_actions[0][1]["arguments"] == {"tag": "v1.4.1", "environment": "production"}


async def test_an_edit_that_is_refused_names_what_it_kept():
    shown = await typed(ScriptedServer(a_request("K7Q2M")), "/edit K7Q2M tag=v0")
    assert "There is no tag v0. These were kept: environment" in shown


async def test_an_edit_in_json_that_fits_nothing_that_was_there_is_sent_as_typed():
    house = ScriptedServer(a_request("K7Q2M"))
    await typed(house, '/edit K7Q2M {"tag": "v0"}')
    assert [body["arguments"] for _, body in house.received_actions] == [
        {"tag": "v0", "environment": "production"},
        {"tag": "v0"},
    ]


async def test_an_unknown_agent_is_refused_at_once_and_the_conversation_goes_on():
    house = ScriptedServer()
    shown = await typed(house, "/new guard", "hello", "/new foo", "and on")
    assert "there is no agent 'foo'; there are: deploy, guard" in shown
    assert [body.get("agent") for _, body in house.received_actions] == ["guard", None]


async def test_a_conversation_does_not_begin_with_an_unknown_agent():
    with pytest.raises(UnknownAgent, match="deploy, guard"):
        await typed(ScriptedServer(), "hello", agent="foo")


async def test_a_thread_is_steered_by_the_orders_for_it():
    house = ScriptedServer()
    shown = await typed(house, "/pause", "hello", "/pause", "/resume", "/cancel")
    assert "there is no thread here to pause" in shown
    assert [order for order, _ in house.received_actions[1:]] == [
        f"threads/{THREAD}/{order}" for order in ("pause", "resume", "cancel")
    ]


async def test_agents_and_the_person_are_shown():
    shown = await typed(ScriptedServer(), "/agents", "/whoami", "/as bob", "/whoami")
    assert "guard   Guards." in shown
    assert "you are You (person:you, *), with the token generated: read, answer" in shown
    assert "you speak and decide as bob" in shown


async def test_many_requests_that_wait_are_one_line_and_each_is_shown_before_it_is_approved():
    house = ScriptedServer(*(a_request(code) for code in CODES))
    shown = await typed(house, "/requests", "/approve SBWHF", "y")
    assert "5 requests wait for you: /requests shows them" in shown
    assert shown.count("/approve ") == 1
    assert house.received_actions[0][1]["digest"] == "digest of SBWHF"


async def test_many_settled_requests_of_a_thread_are_one_line():
    house = ScriptedServer(*(a_request(code, status="denied") for code in CODES), mine=())
    event = {"type": "RequestOpened", "at": "", "actor": "agent:deploy"}
    house.events = [
        {**event, "seq": seq, "data": {"request": {"id": f"req_{code}"}}} for seq, code in enumerate(CODES, 1)
    ]
    shown = await joined(house, THREAD)
    assert "5 earlier requests: /requests all shows them" in shown
    assert "denied" not in shown


async def joined(house: ScriptedServer, thread: str) -> str:
    """Go to a thread, wait until all of it is shown, and leave."""
    shown = StringIO()
    screen = Console(file=shown, width=400)

    async def keyboard() -> AsyncIterator[str]:
        yield f"/thread {thread}"

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx.MockTransport(house)) as client:
        await Session(client, screen).run(keyboard(), is_scripted=True)
    return shown.getvalue()


async def test_a_thread_is_named_by_a_beginning_that_no_other_has():
    house = ScriptedServer()
    house.threads = [THREAD, "thr_1m7yvk6zzzzzzzzzzz"]
    assert "2 threads begin with thr_1m7yvk6: " in await typed(house, "/thread thr_1m7yvk6")
    assert THREAD in await typed(house, "/thread thr_1m7yvk6v")


async def test_tab_offers_codes_agents_and_threads_of_the_conversation():
    house = ScriptedServer(a_request("K7Q2M"))
    shown = StringIO()

    async def keyboard() -> AsyncIterator[str]:
        assert session.completions("/approve k") == ("K7Q2M",)
        assert session.completions("/edit K7Q2M e") == ("environment=",)
        assert session.completions("/new g") == ("guard",)
        assert session.completions("/thread ") == (THREAD,)
        yield "/quit"

    async with TerminalClient("http://127.0.0.1:1", "", "you", transport=httpx.MockTransport(house)) as client:
        session = Session(client, Console(file=shown))
        await session.run(keyboard())
