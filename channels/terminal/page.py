"""One thread as a page: what it is, what it waits for, and what happened in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.cards import shown
from agents.people import name_in
from agents.visible import lines, visible
from channels.terminal.client import LoggedEvent
from channels.terminal.outbound import (
    RequestView,
    SpendingView,
    ThreadView,
    card,
    event_detail,
    local,
    notice,
    status_text,
)

MAX_STEPS = 50
"""The most steps on a page, the latest; the whole log has its own command."""

_SPEECH = ("MessageReceived", "MessageEdited", "ReplyChosen", "NoticeGiven")
_STEPS = {
    "MessageDeleted": "took a message back",
    "ToolCalled": "calls",
    "ToolSucceeded": "says",
    "ToolFailed": "failed:",
    "ToolOutcomeUnknown": "may or may not have happened:",
    "StepRejected": "the model's answer was no use:",
    "RequestOpened": "asks",
    "RequestAnswered": "answered:",
    "RequestReminded": "reminds those who may answer",
    "RequestEscalated": "escalates the request to",
    "RequestExpired": "got no answer in time",
    "RequestSuperseded": "takes the request back",
    "MessageUndeliverable": "could not be delivered:",
    "ThreadPaused": "paused the thread:",
    "ThreadResumed": "resumed the thread",
    "ThreadCancelled": "cancelled the thread",
    "ThreadFinished": "ended the thread:",
    "ThreadForked": "forked the thread",
    "TimerSet": "waits",
    "TimerFired": "goes on after waiting",
    "BudgetReached": "reached the budget",
    "BudgetExtended": "extended the budget",
}


def thread_page(
    thread: ThreadView,
    events: Sequence[LoggedEvent],
    requests: Sequence[RequestView],
    zone: tzinfo | None = None,
) -> RenderableType:
    """Return the page of a thread; `requests` are those that are open. Times are in `zone`, None for local."""
    parts: list[RenderableType] = [Text(visible(thread.title) or thread.id, style="bold"), _header(thread, zone)]
    parts += [card(request, zone) for request in requests]
    steps = [event for event in events if event.type in _SPEECH or event.type in _STEPS]
    if (earlier := len(steps) - MAX_STEPS) > 0:
        parts.append(notice(f"{earlier} earlier steps: handrail threads events {thread.id}"))
    return Group(*parts, "", _steps(steps[-MAX_STEPS:], zone))


def _header(thread: ThreadView, zone: tzinfo | None) -> Table:
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(thread, zone):
        facts.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(visible(value)))
    return facts


def _facts(thread: ThreadView, zone: tzinfo | None) -> Iterator[tuple[str, str | Text]]:
    yield "thread", thread.id
    yield "status", status_text(thread.status)
    if thread.paused:
        yield "paused", thread.paused
    yield "agent", thread.agent
    yield "asked by", name_in(thread.names, thread.requester)
    if thread.created_at is not None:
        yield "began", local(thread.created_at, zone)
    yield "last moved", local(thread.updated_at, zone)
    if thread.budget:
        yield (
            "budget",
            ", ".join(_spent(kind, spending) for kind, spending in thread.budget.items() if _counts(spending)),
        )
    if thread.labels:
        yield "labels", ", ".join(f"{name}={value}" for name, value in thread.labels.items())


def _counts(spending: SpendingView) -> bool:
    return spending.limit is not None or spending.spent > 0


def _spent(kind: str, spending: SpendingView) -> str:
    limit = f" of {spending.limit:,g}" if spending.limit is not None else ""
    unit = " s" if kind == "wall_clock" else ""
    return f"{kind.replace('_', ' ')} {spending.spent:,.4g}{limit}{unit}"


def _steps(events: Sequence[LoggedEvent], zone: tzinfo | None) -> Table:
    drawn = Table.grid(padding=(0, 2))
    for event in events:
        at = datetime.fromisoformat(event.at).astimezone(zone)
        drawn.add_row(Text(f"{at:%m-%d %H:%M:%S}", style="dim"), _step(event))
    return drawn


def _step(event: LoggedEvent) -> Text:
    who = _who(event)
    if event.type in _SPEECH:
        edited = " (edited)" if event.type == "MessageEdited" else ""
        style = "bold green" if event.type == "ReplyChosen" else "bold cyan"
        return Text.assemble((f"{who}{edited}: ", style), lines(event.data.get("text") or ""))
    return Text(" ".join(filter(None, (who, _STEPS[event.type], _gist(event)))), style="dim")


def _who(event: LoggedEvent) -> str:
    """Return whose event it is, and who entered it where that is another person."""
    entered_by = (_answer(event) or event.data).get("entered_by")
    entered = f" (entered by {name_in(event.names, str(entered_by))})" if entered_by else ""
    return f"{event.speaker}{entered}"


def _answer(event: LoggedEvent) -> Mapping[str, Any]:
    return event.data.get("answer") or {} if event.type == "RequestAnswered" else {}


def _gist(event: LoggedEvent) -> str:
    if event.type == "ToolCalled":
        arguments = (f"{name}={shown(value)}" for name, value in (event.data.get("arguments") or {}).items())
        return " ".join([shown(event.data.get("tool", "")), *(visible(one) for one in arguments)])
    if event.type == "ToolSucceeded":
        first, *others = str(event.data.get("summary") or "").splitlines() or [""]
        return shown(first) + (f" … ({len(others)} more lines)" if others else "")
    answer = _answer(event)
    refused = f"; it does not count: {shown(answer.get('reason') or '')}" if answer.get("counted") is False else ""
    return f"{event_detail(event.type, event.data, event.names)}{refused}"
