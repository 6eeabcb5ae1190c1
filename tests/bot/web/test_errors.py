import json
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import APIRoute
from httpx import Response

from agents.errors import (
    AlreadySettled,
    ConfigurationError,
    DuplicateCode,
    Forbidden,
    HandrailError,
    IdempotencyKeyReused,
    InvalidArguments,
    RequestNotFound,
    StoreUnavailable,
    ThreadNotFound,
    ToolError,
    Unavailable,
    VersionConflict,
    WrongState,
)
from bot.web.errors import response_for_error, status_for_error
from bot.web.limits import MAX_BODY_BYTES
from tests.bot.web.api_harness import ApiHarness

JSON = {"Content-Type": "application/json"}


def code(told: Response) -> tuple[int, str]:
    error = told.json()["error"]
    assert set(error) <= {"code", "message", "details"}
    assert error["message"]
    return told.status_code, error["code"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ThreadNotFound, 404),
        (RequestNotFound, 404),
        (WrongState, 409),
        (AlreadySettled, 409),
        (Forbidden, 403),
        (InvalidArguments, 422),
        (IdempotencyKeyReused, 422),
        (ToolError, 422),
        (StoreUnavailable, 503),
        (VersionConflict, 503),
        (DuplicateCode, 503),
        (Unavailable, 503),
        (ConfigurationError, 500),
        (HandrailError, 500),
    ],
)
def test_every_kind_of_error_has_its_status(kind: type[HandrailError], status: int) -> None:
    assert status_for_error(kind()) == status
    assert response_for_error(kind()).status_code == status


def test_what_may_work_later_says_when() -> None:
    assert response_for_error(StoreUnavailable(retry_after=2.1)).headers["Retry-After"] == "3"
    assert response_for_error(StoreUnavailable()).headers["Retry-After"] == "1"


def test_what_is_not_ours_is_told_as_nothing_but_a_failure() -> None:
    body = json.loads(bytes(response_for_error(RuntimeError("password=hunter2")).body))
    assert body["error"]["code"] == "internal_error"
    assert "hunter2" not in str(body)


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/threads/", "/v1/threads/x/y/z"])
async def test_a_path_there_is_not_is_not_found(api: ApiHarness, path: str) -> None:
    assert code(await api.client().get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/threads"), ("GET", "/v1/threads/x/pause"), ("HEAD", "/v1/threads/x/events")]
)
async def test_a_method_a_path_does_not_take_is_refused(api: ApiHarness, method: str, path: str) -> None:
    told = await api.client().request(method, path)
    assert told.status_code == 405
    assert told.headers["Allow"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"nope", b'{"message": "hi"', b'{"message": NaN}', b"\xff\xfe", b"[" * 9999]
)
async def test_a_body_that_is_not_json_is_refused(api: ApiHarness, raw: bytes) -> None:
    told = await api.client().post("/v1/threads", content=raw, headers=JSON)
    assert code(told) == ((400, "malformed_json") if raw else (422, "invalid"))


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"true"])
async def test_json_that_is_no_object_is_refused(api: ApiHarness, body: bytes) -> None:
    assert code(await api.client().post("/v1/threads", content=body, headers=JSON)) == (422, "invalid")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", None])
async def test_a_body_that_is_not_said_to_be_json_is_refused(api: ApiHarness, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    told = await api.client().post("/v1/threads", content=b'{"message": "hi"}', headers=headers)
    assert code(told) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_json_by_any_of_its_names_is_taken(api: ApiHarness, kind: str) -> None:
    told = await api.client().post("/v1/threads", content=b'{"message": "hi"}', headers={"Content-Type": kind})
    assert told.status_code == 201


async def test_a_body_that_is_too_large_is_refused_by_its_length(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", content=b" " * (MAX_BODY_BYTES + 1), headers=JSON)
    assert code(told) == (413, "body_too_large")
    assert "256 KiB" in told.json()["error"]["message"]


async def test_a_body_that_is_too_large_is_refused_though_it_tells_no_length(api: ApiHarness) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1_000):
            read += 1024
            yield b" " * 1024

    told = await api.client().post("/v1/threads", content=pieces(), headers=JSON)
    assert code(told) == (413, "body_too_large")
    assert read <= MAX_BODY_BYTES + 1024


async def test_a_body_of_the_greatest_size_is_read(api: ApiHarness) -> None:
    raw = b'{"message": "hi"}'.ljust(MAX_BODY_BYTES)
    assert (await api.client().post("/v1/threads", content=raw, headers=JSON)).status_code == 201


async def test_a_database_that_is_away_is_told_with_when_to_try_again(api: ApiHarness) -> None:
    await api.bot.engine.database.close()
    for told in (
        await api.client().get("/v1/threads"),
        await api.client().post("/v1/threads", json={"message": "hi"}, headers={"Idempotency-Key": "k"}),
    ):
        assert code(told) == (503, "store_unavailable")
        assert int(told.headers["Retry-After"]) >= 1


async def test_an_error_nobody_thought_of_is_a_500_without_its_text(api: ApiHarness) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("the answer is 42")

    api.app.router.routes.append(APIRoute("/v1/broken", broken))
    told = await api.client().get("/v1/broken")
    assert code(told) == (500, "internal_error")
    assert "42" not in told.text


async def test_answers_of_the_api_are_kept_by_nobody_and_taken_for_nothing_else(api: ApiHarness) -> None:
    for path in ("/v1/threads", "/v1/nothing", "/v1/threads/x"):
        told = await api.client().get(path)
        assert told.headers["Cache-Control"] == "no-store"
        assert told.headers["X-Content-Type-Options"] == "nosniff"
    assert (await api.client(None).get("/healthz")).headers["X-Content-Type-Options"] == "nosniff"
    assert (await api.client(None).get("/v1/threads")).headers["Cache-Control"] == "no-store"
