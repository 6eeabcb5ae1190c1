"""Tests of the doctor's check for threads that cannot continue."""

import asyncio

import httpx2
import pytest

from bot.config.settings import Settings
from bot.doctor.database import check_database, is_database_locked_by_server
from bot.doctor.threads import thread_findings, thread_findings_of_server
from channels.abilities import Finding
from channels.terminal.client import TerminalClient
from storage.database.database import Database
from storage.replay import MAX_SCANNED, AffectedThreads, ThreadScan, scan_database
from tests.bot.test_newer_rows import DONE, SET_UNKNOWN_TYPE, SHIP, make_unreadable
from tests.fakes.scripted_model import ScriptedModel


async def create_threads(running_bot, database_url: str) -> tuple[str, str]:
    """Create three threads: one unreadable, one that waits for a person, and one that is done. Return the first two."""
    model = ScriptedModel(DONE, SHIP, SHIP)
    async with running_bot(Database.open(database_url), model) as harness:
        await harness.wait_until_done(await harness.post_message("hello"))
        waiting = await harness.post_message("ship v1")
        await harness.wait_for_request(waiting)
        broken = await harness.post_message("ship v2")
        await harness.wait_for_request(broken)
        await make_unreadable(harness.bot.engine.database, broken, SET_UNKNOWN_TYPE)
    return broken, waiting


async def scan_url(url: str, *agents: str) -> ThreadScan:
    database = Database.open(url)
    try:
        return await scan_database(database, agents)
    finally:
        await database.close()


async def test_scan_lists_threads_that_cannot_continue(running_bot, database_url) -> None:
    broken, waiting = await create_threads(running_bot, database_url)
    scan = await scan_url(database_url, "helper")
    unreadable_threads = AffectedThreads(count=1, thread_ids=(broken,), causes=("ThreadBlessed",))
    assert scan == ThreadScan(scanned=3, unreadable=unreadable_threads)
    without_agent = AffectedThreads(count=1, thread_ids=(waiting,), causes=("helper",))
    assert await scan_url(database_url, "another") == scan.model_copy(update={"without_agent": without_agent})


async def test_doctor_warns_about_threads_that_cannot_continue(running_bot, database_url) -> None:
    broken, waiting = await create_threads(running_bot, database_url)
    settings = Settings.from_variables({"DATABASE_URL": database_url})
    assert not is_database_locked_by_server(settings)
    findings = {
        finding.name: finding
        for finding in await asyncio.to_thread(lambda: list(check_database(settings, ("deploy",))))
    }
    assert (findings["unreadable"].state, findings["agents"].state) == ("warning", "warning")
    expected = f"of all 3 threads, this version cannot read 1 (ThreadBlessed): {broken}"
    assert findings["unreadable"].message == expected
    assert "run the version that wrote them" in (findings["unreadable"].fix or "")
    assert findings["agents"].message == f"1 thread waits for agents that do not exist here (helper): {waiting}"


def test_many_threads_are_counted_and_some_named() -> None:
    affected = AffectedThreads()
    for number in range(7):
        affected = affected.plus(f"thr_{number}", "ThreadBlessed")
    finding, *_ = thread_findings(ThreadScan(scanned=MAX_SCANNED, unreadable=affected))
    assert finding.message == (
        f"of the newest {MAX_SCANNED} threads, this version cannot read 7 (ThreadBlessed): "
        "thr_0, thr_1, thr_2, thr_3, thr_4, …"
    )


def make_client(response: httpx2.Response) -> TerminalClient:
    return TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(lambda _: response))


MISSING_SCOPE_BODY = {"error": {"code": "missing_scope", "message": "this takes the scope admin"}}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            httpx2.Response(200, json=ThreadScan(scanned=2).model_dump(mode="json")),
            [("ok", "this version can read all 2 threads")],
        ),
        (
            httpx2.Response(403, json=MISSING_SCOPE_BODY),
            [("warning", "threads were not checked: the token lacks the scope admin")],
        ),
        (httpx2.Response(404, json={"error": {"code": "not_found", "message": "no"}}), []),
        (httpx2.Response(200, json={"scanned": "many"}), []),
    ],
)
def test_server_with_the_locked_database_is_queried(response: httpx2.Response, expected: list[tuple[str, str]]) -> None:
    findings: list[Finding] = list(thread_findings_of_server(make_client(response)))
    assert [(finding.state, finding.message) for finding in findings] == expected
