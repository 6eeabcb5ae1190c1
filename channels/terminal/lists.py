"""Lists of threads and of requests, one a line. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from rich.console import RenderableType

from agents.cards import shown
from agents.people import name_in
from channels.terminal.outbound import RequestView, ThreadView, local, notice, status_text, table

_SHORTEST = len("thr_") + 10
"""Characters of a shortened id: up to the millisecond a thread began in."""

_LONGEST_LINE, _LONGEST_VALUE = 120, 24


def threads_table(
    threads: Sequence[ThreadView], zone: tzinfo | None = None, *, is_short: bool = False
) -> RenderableType:
    """Return threads, one a line; `is_short` cuts ids to what tells them apart."""
    if not threads:
        return notice("no threads yet")
    ids = short_ids(thread.id for thread in threads) if is_short else {}
    rows = [
        (
            ids.get(t.id, t.id),
            status_text(t.status),
            t.agent,
            t.title,
            name_in(t.names, t.requester),
            local(t.updated_at, zone),
        )
        for t in threads
    ]
    return table(("thread", "status", "agent", "title", "for", "last moved"), rows)


def requests_table(
    requests: Sequence[RequestView], zone: tzinfo | None = None, *, is_short: bool = False
) -> RenderableType:
    """Return requests, one a line; `is_short` cuts ids of threads to what tells them apart."""
    if not requests:
        return notice("nothing is asked")
    ids = short_ids(request.thread_id for request in requests) if is_short else {}
    rows = [
        (
            r.code,
            status_text(r.status),
            f"{r.agent}: {asked_line(r)}",
            r.explanation.decided_by,
            local(r.expires_at, zone) if r.status == "open" and r.expires_at else "",
            ids.get(r.thread_id, r.thread_id),
        )
        for r in requests
    ]
    return table(("code", "status", "asks", "who may decide", "open until", "thread"), rows)


def asked_line(request: RequestView) -> str:
    """Return the question, or the call with its arguments, on one line; what is cut ends with a mark."""
    if request.kind == "question":
        return _cut(request.question or "", _LONGEST_LINE)
    arguments = (f"{name}={_cut(value, _LONGEST_VALUE)}" for name, value in (request.arguments or {}).items())
    return _cut(" ".join([request.tool or "", *arguments]), _LONGEST_LINE)


def _cut(value: Any, longest: int) -> str:
    line = shown(value)
    return line if len(line) <= longest else f"{line[:longest]}…"


def short_ids(ids: Iterable[str]) -> Mapping[str, str]:
    """Return for each id its shortest beginning that no other one has."""
    ordered = sorted(set(ids))
    return {
        one: one[: max(_SHORTEST, _shared(before, one) + 1, _shared(one, after) + 1)]
        for before, one, after in zip(["", *ordered], ordered, [*ordered[1:], ""], strict=False)
    }


def _shared(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
