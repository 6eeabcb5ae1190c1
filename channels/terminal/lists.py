"""Tables of threads and requests, one per line. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from rich.console import RenderableType

from agents.core.cards import display_value
from agents.core.people import name_in
from agents.core.visible_text import truncate
from channels.terminal.views import ApiRequest, ApiThread, format_local_time, info_view, status_text, table

_MIN_ID_LENGTH = len("thr_") + 10
"""Shortened ids keep the part that encodes the creation time in milliseconds."""

_MAX_LINE_LENGTH, _MAX_VALUE_LENGTH = 120, 24


def threads_table(
    threads: Sequence[ApiThread], zone: tzinfo | None = None, *, is_short: bool = False
) -> RenderableType:
    """Return a table of threads. `is_short` shortens ids to unique prefixes."""
    if not threads:
        return info_view("no threads yet")
    ids = shorten_ids(thread.id for thread in threads) if is_short else {}
    rows = [
        (
            ids.get(t.id, t.id),
            status_text(t.status),
            t.agent,
            t.title,
            name_in(t.names, t.requester),
            format_local_time(t.updated_at, zone),
        )
        for t in threads
    ]
    return table(("thread", "status", "agent", "title", "requester", "updated"), rows)


def requests_table(
    requests: Sequence[ApiRequest], zone: tzinfo | None = None, *, is_short: bool = False
) -> RenderableType:
    """Return a table of requests. `is_short` shortens thread ids to unique prefixes."""
    if not requests:
        return info_view("no requests")
    ids = shorten_ids(request.thread_id for request in requests) if is_short else {}
    rows = [
        (
            r.code,
            status_text(r.status),
            f"{r.agent}: {format_request_line(r)}",
            r.explanation.decided_by,
            format_local_time(r.expires_at, zone) if r.status == "open" and r.expires_at else "",
            ids.get(r.thread_id, r.thread_id),
        )
        for r in requests
    ]
    return table(("code", "status", "request", "deciders", "open until", "thread"), rows)


def format_request_line(request: ApiRequest) -> str:
    """Return the question, or the call with its arguments, on one line. Truncated text ends with an ellipsis."""
    if request.kind == "question":
        return _display_beginning(request.question or "", _MAX_LINE_LENGTH)
    arguments = (
        f"{name}={_display_beginning(value, _MAX_VALUE_LENGTH)}" for name, value in (request.arguments or {}).items()
    )
    return _display_beginning(" ".join([request.tool or "", *arguments]), _MAX_LINE_LENGTH)


def _display_beginning(value: Any, max_length: int) -> str:
    return truncate(display_value(value), max_length)


def shorten_ids(ids: Iterable[str]) -> Mapping[str, str]:
    """Return the shortest unique prefix of each id, by id."""
    ordered = sorted(set(ids))
    return {
        id_: id_[: max(_MIN_ID_LENGTH, _common_prefix_length(before, id_) + 1, _common_prefix_length(id_, after) + 1)]
        for before, id_, after in zip(["", *ordered], ordered, [*ordered[1:], ""], strict=False)
    }


def _common_prefix_length(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
