"""Reading JSON bodies strictly: I-JSON (RFC 7493), said to be JSON, and nothing a store could not keep."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException


class JsonRoute(APIRoute):
    """A route whose body, when it takes one, is JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def strictly(request: Request) -> Response:
            _check_content_type(request)
            return await handle(_JsonRequest(request.scope, request.receive))

        return strictly


class _JsonRequest(Request):
    async def json(self) -> Any:
        return parse_json(await self.body())


def parse_json(raw: bytes) -> Any:
    """The value of a body. Raises HTTPException 400, saying what is wrong and where."""
    try:
        text = raw.decode()
        value = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_reject_duplicate_keys)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # refuses half a surrogate pair
    except json.JSONDecodeError as error:
        raise _malformed_error(f"{error.msg} at character {error.pos}") from error
    except UnicodeError as error:
        raise _malformed_error("it is not UTF-8 through and through") from error
    except (ValueError, RecursionError) as error:
        raise _malformed_error("it has a number or a nesting beyond all reason") from error
    return value


def _check_content_type(request: Request) -> None:
    """A body of another type is refused, also to keep forms of other web sites out."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/json" or (media.startswith("application/") and media.endswith("+json")):
        return
    if media or _has_body(request):
        raise HTTPException(415, "send the body as JSON, with Content-Type: application/json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise _malformed_error("an object has the same key twice")
    return whole


def _reject_constant(_name: str) -> NoReturn:
    raise _malformed_error("there is no NaN and no Infinity")


def _malformed_error(reason: str) -> HTTPException:
    return HTTPException(400, f"the body is not JSON we can read: {reason}")
