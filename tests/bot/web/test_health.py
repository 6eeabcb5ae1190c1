from pathlib import Path

import pytest

from agents.errors import StoreUnavailable
from bot.tool_thread_pool import MAX_THREADS, MAX_THREADS_PER_TOOL
from storage.readiness import MIN_FREE_BYTES, check_disk_space
from storage.sqlite import sqlite_path
from tests.bot.web.api_harness import ApiHarness


async def test_whoever_asks_is_told_that_the_process_lives(api: ApiHarness) -> None:
    told = await api.client(None).get("/healthz")
    assert (told.status_code, told.json()) == (200, {"status": "ok"})


async def test_a_bot_that_runs_is_ready_with_each_of_its_channels(api: ApiHarness) -> None:
    told = await api.client(None).get("/readyz")
    assert told.status_code == 200
    assert told.json() == {
        "ready": True,
        "checks": {
            name: {"ok": True, "problem": ""} for name in ("database", "engine", "channel:terminal", "channel:web")
        },
    }


async def test_a_tool_that_cannot_run_is_named_to_those_with_a_token(api: ApiHarness) -> None:
    load = api.bot.tool_runner.thread_pool.slots.loads["porter.look"]
    load.hanging, load.running, load.exceeded = MAX_THREADS_PER_TOOL, MAX_THREADS_PER_TOOL, 20
    told = await api.client().get("/readyz")
    assert told.status_code == 200
    assert told.json()["degraded"] == ["porter.look cannot run: 16 of its calls do not end; restart this process"]
    assert told.json()["tools"] == {"porter.look": {"running": 16, "waiting": 0, "hanging": 16, "exceeded": 20}}
    unknown = (await api.client(None).get("/readyz")).json()
    assert unknown["degraded"] == ["tools that cannot run: 1; send a token to see which"]
    assert "porter" not in str(unknown)


async def test_calls_that_do_not_end_in_every_thread_make_it_unready(api: ApiHarness) -> None:
    api.bot.tool_runner.thread_pool.slots.loads["porter.look"].hanging = MAX_THREADS
    told = await api.client(None).get("/readyz")
    assert told.status_code == 503
    assert told.json()["checks"]["tools"] == {
        "ok": False,
        "problem": "calls of tools that do not end occupy every thread: restart this process",
    }


async def test_a_database_that_is_away_makes_it_unready(api: ApiHarness) -> None:
    await api.bot.engine.database.close()
    told = await api.client(None).get("/readyz")
    assert told.status_code == 503
    assert told.json()["ready"] is False
    assert told.json()["checks"]["database"] == {"ok": False, "problem": "the database is closed"}
    assert (await api.client(None).get("/healthz")).status_code == 200


async def test_an_engine_that_was_not_started_makes_it_unready(api: ApiHarness) -> None:
    api.bot.engine.listeners.clear()  # nobody hears of commits
    told = await api.client(None).get("/readyz")
    assert told.status_code == 503
    assert told.json()["checks"]["engine"]["ok"] is False


@pytest.mark.parametrize("token", [None, "alice"])
async def test_a_read_only_database_makes_it_unready_and_says_what_to_do(api: ApiHarness, token: str | None) -> None:
    await api.bot.engine.database.transaction(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    told = await api.client(token).get("/readyz")
    assert told.status_code == 503
    assert "read-only: give this user the right to write" in told.json()["checks"]["database"]["problem"]


async def test_a_caller_without_a_token_makes_nothing_commit(api: ApiHarness) -> None:
    before = journal(api)
    assert (await api.client(None).get("/readyz")).status_code == 200
    assert journal(api) == before
    assert (await api.client("alice").get("/readyz")).status_code == 200
    assert journal(api) != before


def journal(api: ApiHarness) -> tuple[int, int]:
    """Return the size of the database's journal and when it was last written."""
    found = Path(f"{sqlite_path(api.bot.engine.database.url)}-wal").stat()
    return found.st_size, found.st_mtime_ns


def test_a_disk_that_is_nearly_full_is_reported_before_a_commit_fails(sqlite_url: str) -> None:
    check_disk_space(sqlite_url, lambda _: MIN_FREE_BYTES)
    with pytest.raises(StoreUnavailable, match="the disk is full: free some space"):
        check_disk_space(sqlite_url, lambda _: MIN_FREE_BYTES - 1)


def test_room_on_the_disk_of_another_machine_is_not_looked_for() -> None:
    looked_at: list[Path] = []
    check_disk_space("postgresql://elsewhere/db", lambda folder: len(looked_at.append(folder) or ""))
    assert looked_at == []
