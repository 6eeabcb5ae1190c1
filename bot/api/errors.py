"""HTTP responses for errors: the body is always `{"error": {"code", "message", "details"?}}`."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agents.core.errors import Conflict, Forbidden, HandrailError, InvalidInput, NotFound, Retryable, ToolError
from agents.core.requests import Request as HumanRequest
from bot.api.response_models import ErrorResponse, request_view
from bot.log import LogEvent, log

STATUS_BY_ERROR: Mapping[type[HandrailError], int] = {
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    InvalidInput: 422,
    ToolError: 422,
    Retryable: 503,
}
"""Subclasses share the status of their base. Every other error is 500."""

_CODE_BY_STATUS = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_MESSAGE_BY_STATUS = {
    404: "no such path; /docs lists all paths",
    405: "this path does not support this method; /docs lists the methods",
}
_DEFAULT_RETRY_AFTER_SECONDS = 1.0  # a busy database is usually available again at once


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error of a route into an error response."""
    for error_type in (HandrailError, HTTPException, RequestValidationError):
        app.add_exception_handler(error_type, _handle_error)


async def _handle_error(request: Request, error: Exception) -> JSONResponse:
    response = response_for_error(error)
    if response.status_code >= 500:  # noqa: PLR2004 - server errors, RFC 9110 §15.6
        log(LogEvent.HTTP_FAILED, level="error", method=request.method, path=request.scope["path"], error=error)
    return response


def response_for_error(error: Exception) -> JSONResponse:
    """Return the response for an error. Details of an unexpected error are only logged, not sent."""
    match error:
        case HandrailError():
            return _handrail_error_response(error)
        case RequestValidationError():
            return _validation_error_response(error)
        case HTTPException(status_code=status):
            code = _CODE_BY_STATUS.get(status, "refused")
            return error_response(status, code, _MESSAGE_BY_STATUS.get(status, error.detail), headers=error.headers)
        case _:
            return error_response(500, "internal_error", "internal error; see the log of the server")


def error_response(
    status: int, code: str, message: str, *, details: Any = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error response."""
    return JSONResponse(error_body(code, message, details), status, headers=headers)


def error_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """Return the body of an error response."""
    body = {"code": code, "message": message}
    return {"error": body if details is None else {**body, "details": details}}


def body_for_error(error: HandrailError) -> dict[str, Any]:
    """Return the body for a HandrailError. A request in its details is rendered as the API renders it."""
    details = error.details
    view = request_view(details).model_dump(mode="json") if isinstance(details, HumanRequest) else details
    return error_body(error.code, str(error), view)


def status_for_error(error: HandrailError) -> int:
    """Return the HTTP status of the error's nearest base class that has one, else 500."""
    return next((STATUS_BY_ERROR[base] for base in type(error).__mro__ if base in STATUS_BY_ERROR), 500)


def _handrail_error_response(error: HandrailError) -> JSONResponse:
    headers = {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(ceil(error.retry_after or _DEFAULT_RETRY_AFTER_SECONDS))
    return JSONResponse(body_for_error(error), status_for_error(error), headers=headers)


def _validation_error_response(error: RequestValidationError) -> JSONResponse:
    field_errors = [_field_error(found) for found in error.errors()]
    message = "; ".join(f"{one['field'] or one['in']}: {one['message']}" for one in field_errors)
    return error_response(422, "invalid", message, details=field_errors)


def _field_error(validation_error: Mapping[str, Any]) -> dict[str, str]:
    location, *path = validation_error["loc"]
    message = str(validation_error["msg"]).removeprefix("Value error, ")
    return {"in": str(location), "field": ".".join(map(str, path)), "message": message}


_DESCRIPTION_BY_STATUS = {
    400: "The body is not JSON.",
    401: "The token is missing or unknown.",
    403: "The token or the person is not allowed to do this.",
    404: "It does not exist, or you may not see it.",
    409: "It conflicts with the current state, which is in `details`.",
    413: "The body is too large.",
    415: "The Content-Type is not JSON.",
    422: "The request is invalid; `details` lists the fields.",
    503: "The database cannot be reached. Try again after `Retry-After` seconds.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: these statuses and those that every route has."""
    documented = sorted({401, 422, 503, *statuses})
    return {status: {"model": ErrorResponse, "description": _DESCRIPTION_BY_STATUS[status]} for status in documented}


BODY_ERROR_STATUSES = (400, 413, 415)
"""Error statuses of every route that takes a body."""
