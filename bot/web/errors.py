"""Errors as HTTP tells them: always `{"error": {"code", "message", "details"?}}`, each kind with one status."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agents.errors import Conflict, Forbidden, HandrailError, InvalidInput, NotFound, Retryable, ToolError
from agents.requests import Request as HumanRequest
from bot.log import LogEvent, log
from bot.web.response_models import request_view

STATUS_BY_ERROR: Mapping[type[HandrailError], int] = {
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    InvalidInput: 422,
    ToolError: 422,
    Retryable: 503,
}
"""Children of these share their status; whatever is not among them is our own failure, 500."""

_CODE_BY_STATUS = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_MESSAGE_BY_STATUS = {
    404: "there is nothing at this path; /docs lists what there is",
    405: "this path does not take this method; /docs lists what it takes",
}
_DEFAULT_RETRY_AFTER_SECONDS = 1.0  # seconds; a database that is busy or being restored is worth another try at once


def add_error_handlers(app: FastAPI) -> None:
    """Have every error of a route answered as a problem."""
    for kind in (HandrailError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _handle_error)


async def _handle_error(request: Request, error: Exception) -> JSONResponse:
    answer = response_for_error(error)
    if answer.status_code >= 500:  # noqa: PLR2004 - where our failures begin, RFC 9110 §15.6
        log(LogEvent.HTTP_FAILED, level="error", method=request.method, path=request.scope["path"], error=error)
    return answer


def response_for_error(error: Exception) -> JSONResponse:
    """The answer to whoever met this error. What is not ours is told as nothing but a failure."""
    match error:
        case HandrailError():
            return _handrail_error_response(error)
        case RequestValidationError():
            return _validation_error_response(error)
        case HTTPException(status_code=status):
            code = _CODE_BY_STATUS.get(status, "refused")
            return error_response(status, code, _MESSAGE_BY_STATUS.get(status, error.detail), headers=error.headers)
        case _:
            return error_response(500, "internal_error", "something went wrong here; the log of the server has more")


def error_response(
    status: int, code: str, message: str, *, details: Any = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """One problem as an answer."""
    return JSONResponse(error_body(code, message, details), status, headers=headers)


def error_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """The body of a problem."""
    told = {"code": code, "message": message}
    return {"error": told if details is None else {**told, "details": details}}


def body_for_error(error: HandrailError) -> dict[str, Any]:
    """The body of one of our own errors; a request it speaks of is shown whole."""
    details = error.details
    shown = request_view(details).model_dump(mode="json") if isinstance(details, HumanRequest) else details
    return error_body(error.code, str(error), shown)


def status_for_error(error: HandrailError) -> int:
    """The status of the closest kind that has one."""
    return next((STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR), 500)


def _handrail_error_response(error: HandrailError) -> JSONResponse:
    headers = {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(ceil(error.retry_after or _DEFAULT_RETRY_AFTER_SECONDS))
    return JSONResponse(body_for_error(error), status_for_error(error), headers=headers)


def _validation_error_response(error: RequestValidationError) -> JSONResponse:
    mistakes = [_field_error(found) for found in error.errors()]
    message = "; ".join(f"{m['field'] or m['in']}: {m['message']}" for m in mistakes)
    return error_response(422, "invalid", message, details=mistakes)


def _field_error(validation_error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = validation_error["loc"]
    message = str(validation_error["msg"]).removeprefix("Value error, ")
    return {"in": str(place), "field": ".".join(map(str, path)), "message": message}
