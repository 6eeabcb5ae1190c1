"""Features of the API that a server supports, learned from the requests that it rejects."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from agents.frozen import FrozenModel

ResponseFormat = Literal["json_schema", "json_object", "none"]

_SIMPLER_FORMAT: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "none"}
_BAD_REQUEST_STATUSES = (400, 422)
_NOT_IMPLEMENTED_STATUSES = (500, 501)
"""llama-cpp-python answers 500 to a schema it cannot compile."""

_MAX_SEARCHED_CHARACTERS = 4000
_USAGE_KEYWORDS = ("stream_options", "include_usage")
_STREAMING_KEYWORDS = ('"stream"', "'stream'", "`stream`", "to stream", "streaming")
_FORMAT_KEYWORDS = (
    "response_format", "response format", "json_schema", "json_object", "json mode", "schema", "structured output",
    "'const'", '"const"', "`const`", "const ", "grammar", "additionalproperties", "anyof",
)  # fmt: skip


class Dialect(FrozenModel):
    """Optional parts of a request: the response format, the token usage in a stream, and streaming."""

    response_format: ResponseFormat = "json_schema"
    supports_stream_usage: bool = True
    supports_streaming: bool = True

    def without_rejected_part(self, status: int, body: Any) -> "Dialect | None":
        """Return the dialect to try after this error; None when the error has another cause.

        A bad request without a message (`body` is None) may be about the schema.
        """
        if status not in (*_BAD_REQUEST_STATUSES, *_NOT_IMPLEMENTED_STATUSES):
            return None
        if body is None:
            return self._with_simpler_format() if status in _BAD_REQUEST_STATUSES else None
        text = _searchable_text(body)
        return next(
            (
                dialect
                for keywords, dialect in self._simpler_dialects(status)
                if any(keyword in text for keyword in keywords)
            ),
            None,
        )

    def _simpler_dialects(self, status: int) -> Iterator[tuple[tuple[str, ...], "Dialect"]]:
        is_bad_request = status in _BAD_REQUEST_STATUSES
        if is_bad_request and self.supports_streaming and self.supports_stream_usage:
            yield _USAGE_KEYWORDS, self.model_copy(update={"supports_stream_usage": False})
        if (simpler := self._with_simpler_format()) is not None:
            yield _FORMAT_KEYWORDS, simpler
        if is_bad_request and self.supports_streaming:
            yield _STREAMING_KEYWORDS, self.model_copy(update={"supports_streaming": False})

    def _with_simpler_format(self) -> "Dialect | None":
        simpler = _SIMPLER_FORMAT.get(self.response_format)
        return self.model_copy(update={"response_format": simpler}) if simpler else None


def _searchable_text(body: Any) -> str:
    try:
        text = json.dumps(body, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return text[:_MAX_SEARCHED_CHARACTERS].lower().replace('\\"', '"')
