import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from fastapi.routing import APIRoute

from bot.log import configure_logging
from tests.harness.api import ApiHarness


@pytest.fixture
def log() -> Iterator[StringIO]:
    root, handrail = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, handrail.level)
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    handrail.setLevel(levels[1])


def log_lines(log: StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["action"].startswith(("inbound", "http"))]


async def test_post_is_logged_without_its_body(api: ApiHarness, log: StringIO) -> None:
    await api.client().post("/v1/threads?x=1", json={"message": "a secret of mine"})
    [line] = log_lines(log)
    assert line["action"] == "inbound_accepted"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/threads", 201)
    assert line["channel"] == "web:alice-cli"
    assert "secret" not in log.getvalue()


async def test_rejected_request_is_logged(api: ApiHarness, log: StringIO) -> None:
    await api.client(None).get("/v1/threads", headers={"Authorization": "Bearer hunter2"})
    await api.client().post("/v1/threads", json={"message": ""})
    assert [(line["action"], line["status"]) for line in log_lines(log)] == [
        ("inbound_rejected", 401),
        ("inbound_rejected", 422),
    ]
    assert "hunter2" not in log.getvalue()


async def test_successful_get_is_not_logged(api: ApiHarness, log: StringIO) -> None:
    await api.client().get("/v1/threads")
    await api.client(None).get("/healthz")
    assert log_lines(log) == []


async def test_server_error_is_logged_by_its_class_only(api: ApiHarness, log: StringIO) -> None:
    async def raise_error() -> None:
        raise ZeroDivisionError("hunter2")

    api.app.router.routes.append(APIRoute("/v1/broken", raise_error))
    await api.client().get("/v1/broken")
    await api.bot.engine.database.close()
    await api.client().get("/v1/threads")
    assert [(line["action"], line["error"]) for line in log_lines(log)] == [
        ("http_failed", "ZeroDivisionError"),
        ("http_failed", "StoreUnavailable"),
    ]
    assert "hunter2" not in log.getvalue()
