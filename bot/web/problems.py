"""Errors as HTTP tells them: always `{"error": {"code", "message", "details"?}}`, each kind with one status."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agents.errors import HandrailError, Invalid, NotAllowed, NotFound, Refused, Retryable, ToolError
from agents.requests import Request as HumanRequest
from bot.log import Action, log
from bot.web.shapes import request_view

STATUSES: Mapping[type[HandrailError], int] = {
    NotFound: 404,
    Refused: 409,
    NotAllowed: 403,
    Invalid: 422,
    ToolError: 422,
    Retryable: 503,
}
"""Children of these share their status; whatever is not among them is our own failure, 500."""

_CODES = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_MESSAGES = {
    404: "there is nothing at this path; /docs lists what there is",
    405: "this path does not take this method; /docs lists what it takes",
}
_SOON = 1.0  # seconds; a database that is busy or being restored is worth another try at once


def add_problems(app: FastAPI) -> None:
    """Have every error of a route answered as a problem."""
    for kind in (HandrailError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    answer = problem_of(error)
    if answer.status_code >= 500:  # noqa: PLR2004 - where our failures begin, RFC 9110 §15.6
        log(Action.HTTP_FAILED, level="error", method=request.method, path=request.scope["path"], error=error)
    return answer


def problem_of(error: Exception) -> JSONResponse:
    """The answer to whoever met this error. What is not ours is told as nothing but a failure."""
    match error:
        case HandrailError():
            return _ours(error)
        case RequestValidationError():
            return _misshapen(error)
        case HTTPException(status_code=status):
            code = _CODES.get(status, "refused")
            return problem(status, code, _MESSAGES.get(status, error.detail), headers=error.headers)
        case _:
            return problem(500, "internal_error", "something went wrong here; the log of the server has more")


def problem(
    status: int, code: str, message: str, *, details: Any = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """One problem as an answer."""
    return JSONResponse(problem_body(code, message, details), status, headers=headers)


def problem_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """The body of a problem."""
    told = {"code": code, "message": message}
    return {"error": told if details is None else {**told, "details": details}}


def body_of(error: HandrailError) -> dict[str, Any]:
    """The body of one of our own errors; a request it speaks of is shown whole."""
    details = error.details
    shown = request_view(details).model_dump(mode="json") if isinstance(details, HumanRequest) else details
    return problem_body(error.code, str(error), shown)


def status_of(error: HandrailError) -> int:
    """The status of the closest kind that has one."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def _ours(error: HandrailError) -> JSONResponse:
    headers = {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(ceil(error.retry_after or _SOON))
    return JSONResponse(body_of(error), status_of(error), headers=headers)


def _misshapen(error: RequestValidationError) -> JSONResponse:
    mistakes = [_mistake(found) for found in error.errors()]
    message = "; ".join(f"{m['field'] or m['in']}: {m['message']}" for m in mistakes)
    return problem(422, "invalid", message, details=mistakes)


def _mistake(found: Mapping[str, Any]) -> dict[str, str]:
    place, *path = found["loc"]
    message = str(found["msg"]).removeprefix("Value error, ")
    return {"in": str(place), "field": ".".join(map(str, path)), "message": message}
