"""Tables of threads and requests, and the page of one thread: state, open requests, history. Pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.core.cards import display_value
from agents.core.people import name_in
from agents.core.visible_text import escape_hidden_characters, escape_hidden_except_newlines, truncate
from channels.terminal.client import LoggedEvent
from channels.terminal.views import (
    ApiRequest,
    ApiSpending,
    ApiThread,
    card_view,
    format_event_detail,
    format_local_time,
    info_view,
    status_text,
    table,
)

MAX_SHOWN_EVENTS = 50
"""Number of latest events on a page. `handrail threads events` shows the whole log."""

_MESSAGE_EVENT_TYPES = ("MessageReceived", "MessageEdited", "ReplyChosen", "NoticeGiven")
# Text after the name of the actor, for events without message text. All other events are left out.
_EVENT_TEXTS = {
    "MessageDeleted": "deleted a message",
    "ToolCalled": "calls",
    "ToolSucceeded": "returned",
    "ToolFailed": "failed:",
    "ToolOutcomeUnknown": "may or may not have happened:",
    "StepRejected": "gave an invalid model response:",
    "RequestOpened": "asks",
    "RequestAnswered": "answered:",
    "RequestReminded": "reminded the approvers",
    "RequestEscalated": "escalated the request to",
    "RequestExpired": "got no answer in time",
    "RequestSuperseded": "withdrew the request",
    "MessageUndeliverable": "could not be delivered:",
    "ThreadPaused": "paused the thread:",
    "ThreadResumed": "resumed the thread",
    "ThreadCancelled": "cancelled the thread",
    "ThreadFinished": "ended the thread:",
    "ThreadForked": "forked the thread",
    "TimerSet": "waits",
    "TimerFired": "continued after waiting",
    "BudgetReached": "reached the budget",
    "BudgetExtended": "extended the budget",
}


def thread_page(
    thread: ApiThread,
    events: Sequence[LoggedEvent],
    requests: Sequence[ApiRequest],
    zone: tzinfo | None = None,
) -> RenderableType:
    """Return the page of a thread. `requests` are its open requests. Times are in `zone`; None means local time."""
    parts: list[RenderableType] = [
        Text(escape_hidden_characters(thread.title) or thread.id, style="bold"),
        _header(thread, zone),
    ]
    parts += [card_view(request, zone) for request in requests]
    shown = [event for event in events if event.type in _MESSAGE_EVENT_TYPES or event.type in _EVENT_TEXTS]
    if (earlier := len(shown) - MAX_SHOWN_EVENTS) > 0:
        parts.append(
            info_view(f"{earlier} earlier events are not shown; to see them: handrail threads events {thread.id}")
        )
    return Group(*parts, "", _events_table(shown[-MAX_SHOWN_EVENTS:], zone))


def _header(thread: ApiThread, zone: tzinfo | None) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in _detail_rows(thread, zone):
        grid.add_row(
            Text(name, style="dim"), value if isinstance(value, Text) else Text(escape_hidden_characters(value))
        )
    return grid


def _detail_rows(thread: ApiThread, zone: tzinfo | None) -> Iterator[tuple[str, str | Text]]:
    yield "thread", thread.id
    yield "status", status_text(thread.status)
    if thread.paused:
        yield "paused", thread.paused
    yield "agent", thread.agent
    yield "requester", name_in(thread.names, thread.requester)
    if thread.created_at is not None:
        yield "created", format_local_time(thread.created_at, zone)
    yield "updated", format_local_time(thread.updated_at, zone)
    if thread.budget:
        yield (
            "budget",
            ", ".join(
                _format_spending(kind, spending) for kind, spending in thread.budget.items() if _is_shown(spending)
            ),
        )
    if thread.labels:
        yield "labels", ", ".join(f"{name}={value}" for name, value in thread.labels.items())


def _is_shown(spending: ApiSpending) -> bool:
    """Return whether the budget's spending is worth a place on the page: it has a limit, or is not zero."""
    return spending.limit is not None or spending.spent > 0


def _format_spending(kind: str, spending: ApiSpending) -> str:
    limit = f" of {spending.limit:,g}" if spending.limit is not None else ""
    unit = " s" if kind == "wall_clock" else ""
    return f"{kind.replace('_', ' ')} {spending.spent:,.4g}{limit}{unit}"


def _events_table(events: Sequence[LoggedEvent], zone: tzinfo | None) -> Table:
    grid = Table.grid(padding=(0, 2))
    for event in events:
        at = datetime.fromisoformat(event.at).astimezone(zone)
        grid.add_row(Text(f"{at:%m-%d %H:%M:%S}", style="dim"), _event_text(event))
    return grid


def _event_text(event: LoggedEvent) -> Text:
    actor = _describe_actor(event)
    if event.type in _MESSAGE_EVENT_TYPES:
        edited = " (edited)" if event.type == "MessageEdited" else ""
        style = "bold green" if event.type == "ReplyChosen" else "bold cyan"
        return Text.assemble((f"{actor}{edited}: ", style), escape_hidden_except_newlines(event.data.get("text") or ""))
    return Text(" ".join(filter(None, (actor, _EVENT_TEXTS[event.type], _event_summary(event)))), style="dim")


def _describe_actor(event: LoggedEvent) -> str:
    """Return the name of the event's actor, and the name of the person who acted on the actor's behalf, if any."""
    entered_by = (_answer_data(event) or event.data).get("entered_by")
    suffix = f" (entered by {name_in(event.names, str(entered_by))})" if entered_by else ""
    return f"{event.speaker}{suffix}"


def _answer_data(event: LoggedEvent) -> Mapping[str, Any]:
    return event.data.get("answer") or {} if event.type == "RequestAnswered" else {}


def _event_summary(event: LoggedEvent) -> str:
    if event.type == "ToolCalled":
        arguments = (f"{name}={display_value(value)}" for name, value in (event.data.get("arguments") or {}).items())
        return " ".join(
            [display_value(event.data.get("tool", "")), *(escape_hidden_characters(argument) for argument in arguments)]
        )
    if event.type == "ToolSucceeded":
        first, *others = str(event.data.get("summary") or "").splitlines() or [""]
        return display_value(first) + (f" … ({len(others)} more lines)" if others else "")
    answer = _answer_data(event)
    rejection = (
        f"; it does not count: {display_value(answer.get('reason') or '')}" if answer.get("counted") is False else ""
    )
    return f"{format_event_detail(event.type, event.data, event.names)}{rejection}"


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
