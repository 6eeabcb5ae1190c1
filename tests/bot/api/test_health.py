from pathlib import Path

import pytest

from agents.core.errors import StoreUnavailable
from bot.execution.tools.limits import MAX_OS_THREADS, MAX_OS_THREADS_PER_TOOL
from storage.database.database import MIN_FREE_BYTES, check_disk_space
from storage.database.sqlite import sqlite_path
from tests.harness.api import ApiHarness


async def test_liveness_needs_no_token(api: ApiHarness) -> None:
    response = await api.client(None).get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_running_bot_is_ready_with_its_channels(api: ApiHarness) -> None:
    response = await api.client(None).get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "checks": {
            name: {"ok": True, "problem": ""} for name in ("database", "engine", "channel:terminal", "channel:web")
        },
    }


async def test_stuck_tool_is_named_only_to_callers_with_a_token(api: ApiHarness) -> None:
    load = api.bot.tool_runner.thread_pool.limits.loads["porter.look"]
    load.hanging, load.running, load.timeout_count = MAX_OS_THREADS_PER_TOOL, MAX_OS_THREADS_PER_TOOL, 20
    response = await api.client().get("/readyz")
    assert response.status_code == 200
    assert response.json()["degraded"] == ["porter.look cannot run: 16 of its calls do not end; restart this process"]
    assert response.json()["tools"] == {"porter.look": {"running": 16, "waiting": 0, "hanging": 16, "exceeded": 20}}
    without_token = (await api.client(None).get("/readyz")).json()
    assert without_token["degraded"] == ["tools that cannot run: 1; send a token to see their names"]
    assert "porter" not in str(without_token)


async def test_hanging_calls_in_every_thread_make_the_bot_unready(api: ApiHarness) -> None:
    api.bot.tool_runner.thread_pool.limits.loads["porter.look"].hanging = MAX_OS_THREADS
    response = await api.client(None).get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["tools"] == {
        "ok": False,
        "problem": "hanging tool calls occupy every OS thread for tools; restart this process",
    }


async def test_unavailable_database_makes_the_bot_unready(api: ApiHarness) -> None:
    await api.bot.engine.database.close()
    response = await api.client(None).get("/readyz")
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert response.json()["checks"]["database"] == {"ok": False, "problem": "the database is closed"}
    assert (await api.client(None).get("/healthz")).status_code == 200


async def test_engine_that_is_not_running_makes_the_bot_unready(api: ApiHarness) -> None:
    api.bot.engine.listeners.clear()  # no backend is notified of commits
    response = await api.client(None).get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["engine"]["ok"] is False


@pytest.mark.parametrize("token", [None, "alice"])
async def test_read_only_database_makes_the_bot_unready(api: ApiHarness, token: str | None) -> None:
    await api.bot.engine.database.transaction(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    response = await api.client(token).get("/readyz")
    assert response.status_code == 503
    assert "read-only: give this user the right to write" in response.json()["checks"]["database"]["problem"]


async def test_readiness_commits_only_for_callers_with_a_token(api: ApiHarness) -> None:
    before = read_journal_state(api)
    assert (await api.client(None).get("/readyz")).status_code == 200
    assert read_journal_state(api) == before
    assert (await api.client("alice").get("/readyz")).status_code == 200
    assert read_journal_state(api) != before


def read_journal_state(api: ApiHarness) -> tuple[int, int]:
    """Return the size of the database's journal and when it was last written."""
    status = Path(f"{sqlite_path(api.bot.engine.database.url)}-wal").stat()
    return status.st_size, status.st_mtime_ns


def test_nearly_full_disk_is_reported(sqlite_url: str) -> None:
    check_disk_space(sqlite_url, lambda _: MIN_FREE_BYTES)
    with pytest.raises(StoreUnavailable, match="the disk is full: free some space"):
        check_disk_space(sqlite_url, lambda _: MIN_FREE_BYTES - 1)


def test_disk_of_a_remote_database_is_not_checked() -> None:
    checked: list[Path] = []
    check_disk_space("postgresql://remote/db", lambda folder: len(checked.append(folder) or ""))
    assert checked == []
