"""Strict JSON bodies with a JSON Content-Type."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from agents.core.errors import InvalidInput
from agents.core.strict_json import parse_strict_json


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
        return parse_strict_json(raw)
    except InvalidInput as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from error


def _check_content_type(request: Request) -> None:
    """Reject a body of another type. This also stops cross-site form posts."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return
    if media_type or _has_body(request):
        raise HTTPException(415, "send the body as JSON, with Content-Type: application/json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
