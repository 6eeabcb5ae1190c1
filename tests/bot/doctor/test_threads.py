"""What the doctor says of threads that cannot go on here."""

import asyncio

import httpx
import pytest

from bot.doctor.database import check_database, is_left_to_server
from bot.doctor.finding import Finding
from bot.doctor.threads import thread_findings, threads_of_server
from bot.settings import Settings
from channels.terminal.client import TerminalClient
from storage.database import Database
from storage.thread_scan import MAX_SCANNED, AffectedThreads, ThreadScan, scan_database
from tests.bot.test_newer_rows import DONE, SHIP, UNKNOWN_EVENT, unreadable
from tests.fakes.scripted_model import ScriptedModel


async def broken_house(house, database_url: str) -> tuple[str, str]:
    """Return a thread that cannot be read and one that waits for a person, beside one that is done."""
    model = ScriptedModel(DONE, SHIP, SHIP)
    async with house(Database.open(database_url), model) as home:
        await home.wait_until_settled(await home.post_message("hello"))
        waiting = await home.post_message("ship v1")
        await home.wait_for_request(waiting)
        broken = await home.post_message("ship v2")
        await home.wait_for_request(broken)
        await unreadable(home.bot.engine.database, broken, UNKNOWN_EVENT)
    return broken, waiting


async def scan(url: str, *agents: str) -> ThreadScan:
    opened = Database.open(url)
    try:
        return await scan_database(opened, agents)
    finally:
        await opened.close()


async def test_scan_names_threads_that_cannot_go_on(running_bot, database_url) -> None:
    broken, waiting = await broken_house(running_bot, database_url)
    found = await scan(database_url, "helper")
    lost = AffectedThreads(count=1, thread_ids=(broken,), causes=("ThreadBlessed",))
    assert found == ThreadScan(scanned=3, unreadable=lost)
    alone = AffectedThreads(count=1, thread_ids=(waiting,), causes=("helper",))
    assert await scan(database_url, "another") == found.model_copy(update={"without_agent": alone})


async def test_doctor_warns_of_threads_that_cannot_go_on(running_bot, database_url) -> None:
    broken, waiting = await broken_house(running_bot, database_url)
    settings = Settings.from_variables({"DATABASE_URL": database_url})
    assert not is_left_to_server(settings)
    found = {one.name: one for one in await asyncio.to_thread(lambda: list(check_database(settings)))}
    assert (found["unreadable"].state, found["agents"].state) == ("warning", "warning")
    told = f"of all 3 threads, this version cannot read 1 (ThreadBlessed): {broken}"
    assert found["unreadable"].message == told
    assert "run the version that wrote them" in (found["unreadable"].fix or "")
    assert found["agents"].message == f"1 threads wait for agents that do not exist here (helper): {waiting}"


def test_many_threads_are_counted_and_a_few_named() -> None:
    found = AffectedThreads()
    for number in range(7):
        found = found.plus(f"thr_{number}", "ThreadBlessed")
    finding, *_ = thread_findings(ThreadScan(scanned=MAX_SCANNED, unreadable=found))
    assert finding.message == (
        f"of the newest {MAX_SCANNED} threads, this version cannot read 7 (ThreadBlessed): "
        "thr_0, thr_1, thr_2, thr_3, thr_4, …"
    )


def answering(answer: httpx.Response) -> TerminalClient:
    return TerminalClient("http://127.0.0.1:1", "", transport=httpx.MockTransport(lambda _: answer))


SCOPE = {"error": {"code": "missing_scope", "message": "this takes the scope admin"}}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            httpx.Response(200, json=ThreadScan(scanned=2).model_dump(mode="json")),
            ["this version can read all 2 threads"],
        ),
        (httpx.Response(403, json=SCOPE), ["threads were not checked"]),
        (httpx.Response(404, json={"error": {"code": "not_found", "message": "no"}}), []),
        (httpx.Response(200, json={"scanned": "many"}), []),
    ],
)
def test_server_that_has_the_database_is_asked(answer: httpx.Response, told: list[str]) -> None:
    found: list[Finding] = list(threads_of_server(answering(answer)))
    assert [(one.state, one.message) for one in found] == [("ok", text) for text in told]
