import json
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import APIRoute
from httpx2 import Response

from agents.core.errors import (
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
from bot.api.errors import response_for_error, status_for_error
from bot.api.middleware import MAX_BODY_BYTES
from tests.harness.api import ApiHarness

JSON_HEADERS = {"Content-Type": "application/json"}


def status_and_code(response: Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) <= {"code", "message", "details"}
    assert error["message"]
    return response.status_code, error["code"]


@pytest.mark.parametrize(
    ("error_type", "status"),
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
def test_error_types_have_their_status(error_type: type[HandrailError], status: int) -> None:
    assert status_for_error(error_type()) == status
    assert response_for_error(error_type()).status_code == status


def test_retryable_error_has_retry_after() -> None:
    assert response_for_error(StoreUnavailable(retry_after=2.1)).headers["Retry-After"] == "3"
    assert response_for_error(StoreUnavailable()).headers["Retry-After"] == "1"


def test_unexpected_error_hides_its_text() -> None:
    body = json.loads(bytes(response_for_error(RuntimeError("password=hunter2")).body))
    assert body["error"]["code"] == "internal_error"
    assert "hunter2" not in str(body)


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/threads/", "/v1/threads/x/y/z"])
async def test_unknown_path_is_not_found(api: ApiHarness, path: str) -> None:
    assert status_and_code(await api.client().get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/threads"), ("GET", "/v1/threads/x/pause"), ("HEAD", "/v1/threads/x/events")]
)
async def test_unsupported_method_is_refused(api: ApiHarness, method: str, path: str) -> None:
    response = await api.client().request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"nope", b'{"message": "hi"', b'{"message": NaN}', b"\xff\xfe", b"[" * 9999]
)
async def test_malformed_json_is_refused(api: ApiHarness, raw: bytes) -> None:
    response = await api.client().post("/v1/threads", content=raw, headers=JSON_HEADERS)
    assert status_and_code(response) == ((400, "malformed_json") if raw else (422, "invalid"))


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"true"])
async def test_json_that_is_not_an_object_is_refused(api: ApiHarness, body: bytes) -> None:
    assert status_and_code(await api.client().post("/v1/threads", content=body, headers=JSON_HEADERS)) == (
        422,
        "invalid",
    )


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", None]
)
async def test_body_of_another_media_type_is_refused(api: ApiHarness, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = await api.client().post("/v1/threads", content=b'{"message": "hi"}', headers=headers)
    assert status_and_code(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_json_media_types_are_accepted(api: ApiHarness, media_type: str) -> None:
    response = await api.client().post(
        "/v1/threads", content=b'{"message": "hi"}', headers={"Content-Type": media_type}
    )
    assert response.status_code == 201


async def test_body_is_refused_by_its_content_length(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", content=b" " * (MAX_BODY_BYTES + 1), headers=JSON_HEADERS)
    assert status_and_code(response) == (413, "body_too_large")
    assert "256 KiB" in response.json()["error"]["message"]


async def test_too_large_body_without_a_length_is_refused(api: ApiHarness) -> None:
    bytes_read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal bytes_read
        for _ in range(1_000):
            bytes_read += 1024
            yield b" " * 1024

    response = await api.client().post("/v1/threads", content=chunks(), headers=JSON_HEADERS)
    assert status_and_code(response) == (413, "body_too_large")
    assert bytes_read <= MAX_BODY_BYTES + 1024


async def test_body_of_the_maximum_size_is_accepted(api: ApiHarness) -> None:
    raw = b'{"message": "hi"}'.ljust(MAX_BODY_BYTES)
    assert (await api.client().post("/v1/threads", content=raw, headers=JSON_HEADERS)).status_code == 201


async def test_unavailable_database_has_retry_after(api: ApiHarness) -> None:
    await api.bot.engine.database.close()
    for response in (
        await api.client().get("/v1/threads"),
        await api.client().post("/v1/threads", json={"message": "hi"}, headers={"Idempotency-Key": "k"}),
    ):
        assert status_and_code(response) == (503, "store_unavailable")
        assert int(response.headers["Retry-After"]) >= 1


async def test_unexpected_error_is_a_500_without_its_text(api: ApiHarness) -> None:
    async def raise_error() -> None:
        raise ZeroDivisionError("the answer is 42")

    api.app.router.routes.append(APIRoute("/v1/broken", raise_error))
    response = await api.client().get("/v1/broken")
    assert status_and_code(response) == (500, "internal_error")
    assert "42" not in response.text


async def test_api_responses_have_no_store_and_nosniff_headers(api: ApiHarness) -> None:
    for path in ("/v1/threads", "/v1/nothing", "/v1/threads/x"):
        response = await api.client().get(path)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await api.client(None).get("/healthz")).headers["X-Content-Type-Options"] == "nosniff"
    assert (await api.client(None).get("/v1/threads")).headers["Cache-Control"] == "no-store"
