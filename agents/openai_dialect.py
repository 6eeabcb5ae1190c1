"""What a server understands of the API beyond the bare question, learned from what it refuses."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from agents.frozen import Frozen

ResponseFormat = Literal["json_schema", "json_object", "none"]

_FALL_BACK: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "none"}
_BAD_REQUESTS = (400, 422)
_NOT_IMPLEMENTED = (500, 501)
"""llama-cpp-python answers 500 to a schema it cannot compile."""

_MAX_SEARCHED_CHARACTERS = 4000
_ABOUT_COUNTING = ("stream_options", "include_usage")
_ABOUT_STREAMING = ('"stream"', "'stream'", "`stream`", "to stream", "streaming")
_ABOUT_FORMAT = (
    "response_format", "response format", "json_schema", "json_object", "json mode", "schema", "structured output",
    "'const'", '"const"', "`const`", "const ", "grammar", "additionalproperties", "anyof",
)  # fmt: skip


class Dialect(Frozen):
    """Parts of a request that may be left out: the schema, the count of tokens in a stream, the stream itself."""

    response_format: ResponseFormat = "json_schema"
    counts_tokens: bool = True
    streams: bool = True

    def without_refused(self, status: int, body: Any) -> "Dialect | None":
        """Return what to try next after this refusal, None when it is about something else.

        A bad request that says nothing at all (`body` is None) may be about the schema.
        """
        if status not in (*_BAD_REQUESTS, *_NOT_IMPLEMENTED):
            return None
        if body is None:
            return self._with_simpler_format() if status in _BAD_REQUESTS else None
        said = _searchable(body)
        return next((dialect for words, dialect in self._simpler(status) if any(word in said for word in words)), None)

    def _simpler(self, status: int) -> Iterator[tuple[tuple[str, ...], "Dialect"]]:
        is_bad_request = status in _BAD_REQUESTS
        if is_bad_request and self.streams and self.counts_tokens:
            yield _ABOUT_COUNTING, self.model_copy(update={"counts_tokens": False})
        if (simpler := self._with_simpler_format()) is not None:
            yield _ABOUT_FORMAT, simpler
        if is_bad_request and self.streams:
            yield _ABOUT_STREAMING, self.model_copy(update={"streams": False})

    def _with_simpler_format(self) -> "Dialect | None":
        simpler = _FALL_BACK.get(self.response_format)
        return self.model_copy(update={"response_format": simpler}) if simpler else None


def _searchable(body: Any) -> str:
    try:
        said = json.dumps(body, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return said[:_MAX_SEARCHED_CHARACTERS].lower().replace('\\"', '"')
