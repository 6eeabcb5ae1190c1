"""What the OpenAPI document says of failures."""

from typing import Any

from bot.web.response_models import ErrorResponse

_DESCRIPTION_BY_STATUS = {
    400: "The body is not JSON.",
    401: "No token, or one this server does not know.",
    403: "This token, or this person, may not do that.",
    404: "There is no such thing.",
    409: "This does not fit the present state; `details` tells it.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "The request is not understood; `details` names fields.",
    503: "The database cannot be reached; try again after `Retry-After` seconds.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: those named, and those that every route has."""
    told = sorted({401, 422, 503, *statuses})
    return {status: {"model": ErrorResponse, "description": _DESCRIPTION_BY_STATUS[status]} for status in told}


BODY_ERROR_STATUSES = (400, 413, 415)
"""Failures of every route that takes a body."""
