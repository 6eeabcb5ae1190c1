"""Strict JSON bodies: I-JSON (RFC 7493) with a JSON Content-Type, and only text that the database can store."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException


class JsonRoute(APIRoute):
    """Route that accepts only strict JSON bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            _check_content_type(request)
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


class _JsonRequest(Request):
    async def json(self) -> Any:
        return parse_json(await self.body())


def parse_json(raw: bytes) -> Any:
    """Return the value of a JSON body. Raises HTTPException 400 that says where the error is."""
    try:
        text = raw.decode()
        value = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_reject_duplicate_keys)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # fails on half a surrogate pair
    except json.JSONDecodeError as error:
        raise _malformed_error(f"{error.msg} at character {error.pos}") from error
    except UnicodeError as error:
        raise _malformed_error("it is not valid UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _malformed_error("a number is too long or the nesting is too deep") from error
    return value


def _check_content_type(request: Request) -> None:
    """Reject a body of another type. This also stops cross-site form posts."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return
    if media_type or _has_body(request):
        raise HTTPException(415, "send the body as JSON, with Content-Type: application/json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _malformed_error("an object has the same key twice")
    return members


def _reject_constant(_name: str) -> NoReturn:
    raise _malformed_error("NaN and Infinity are not allowed")


def _malformed_error(reason: str) -> HTTPException:
    return HTTPException(400, f"the body is not valid JSON: {reason}")
