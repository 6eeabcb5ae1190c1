"""Error responses of routes in the OpenAPI document."""

from typing import Any

from bot.web.response_models import ErrorResponse

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
