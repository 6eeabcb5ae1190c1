"""Terminal views: objects of the HTTP API as text, tables and cards. Pure functions.

Hidden and control characters in text from other people are escaped, so that it cannot move the cursor, hide text or
act as markup.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.core.cards import display_full_value, display_value
from agents.core.messages import Explanation
from agents.core.outcomes import Names, describe_answer, describe_outcome
from agents.core.people import name_in
from agents.core.requests import Deciders
from agents.core.visible_text import escape_hidden_characters, escape_hidden_except_newlines
from channels.terminal.parser import HELP

_NO_NAMES: Names = MappingProxyType({})
_STATUSES_BY_COLOR = {
    "cyan": ("running", "waiting_for_time"),
    "yellow": ("open", "waiting_for_human"),
    "green": ("done", "approved", "answered"),
    "red": ("failed", "denied", "expired"),
    "magenta": ("paused",),
    "dim": ("cancelled", "superseded"),
}
_STYLES_BY_STATUS = {status: color for color, statuses in _STATUSES_BY_COLOR.items() for status in statuses}
MESSAGE_CHANGE_EVENT_TYPES = ("MessageEdited", "MessageDeleted")
"""Events that `message_change_view` renders."""


class _ApiObject(BaseModel):
    """Part of an API object. Unknown fields are ignored, because a newer server may send more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ApiAnswer(_ApiObject):
    """An answer to a request. `reason` says why it did not count; an edit that others must approve `is_proposal`."""

    by: str
    entered_by: str | None = None
    channel: str
    decision: str
    comment: str | None = None
    text: str | None = None
    at: AwareDatetime
    counted: bool
    reason: str | None = None
    is_proposal: bool = False


class ApiDeciders(_ApiObject, Deciders):
    """People who may decide."""


class ApiExplanation(_ApiObject, Explanation):
    """Texts that explain a request to the person who decides."""


class ApiCard(_ApiObject):
    """One copy of a request on a channel. `reason` says why it could not be delivered."""

    address: str
    state: str
    reason: str | None = None


class ApiRequest(_ApiObject):
    """A request to people. `filled_in` names arguments that the tool set itself; `digest` is a hash of its content."""

    id: str
    code: str
    kind: Literal["approval", "question"]
    thread_id: str
    agent: str
    requester: str | None = None
    requesters: tuple[str, ...] = ()
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    filled_in: tuple[str, ...] = ()
    question: str | None = None
    choices: tuple[str, ...] | None = None
    deciders: tuple[ApiDeciders, ...] = ()
    names: dict[str, str] = {}
    explanation: ApiExplanation = ApiExplanation()
    digest: str
    status: str
    expires_at: AwareDatetime | None = None
    answers: tuple[ApiAnswer, ...] = ()
    cards: tuple[ApiCard, ...] = ()


class ApiSpending(_ApiObject):
    """Spending of a thread on one kind of budget. `limit` is None if there is no limit."""

    limit: float | None = None
    spent: float = 0.0


class ApiThread(_ApiObject):
    """A thread. `title` is the beginning of its first message; `names` has the names of its people by address."""

    id: str
    agent: str
    status: str
    version: int
    requester: str
    names: dict[str, str] = {}
    title: str = ""
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    budget: dict[str, ApiSpending] = {}
    labels: dict[str, str] = {}
    paused: str | None = None


def message_view(name: str, text: str, style: str = "bold cyan") -> Text:
    """Return a message with the name of its author."""
    return Text.assemble((f"{escape_hidden_characters(name)}: ", style), escape_hidden_except_newlines(text))


def message_change_view(name: str, text: str | None) -> Text:
    """Return the new text of an edited message. If `text` is None, return a line about the deletion of a message."""
    return info_view(f"{name} deleted a message") if text is None else message_view(f"{name} (edited)", text)


def info_view(text: str) -> Text:
    """Return a message of the program itself."""
    return Text(escape_hidden_except_newlines(text), style="dim")


def error_view(text: str) -> Text:
    """Return an error message."""
    return Text(escape_hidden_except_newlines(text), style="red")


def card_view(request: ApiRequest, zone: tzinfo | None = None, viewer: str | None = None) -> Panel:
    """Return the card of an open request: the question or call, its terms, and how to answer it.

    Times are in `zone`; None means local time. `viewer` is the key of the reader: instructions are shown only for
    what that person may do. None shows all.
    """
    rows: list[RenderableType] = [_arguments_view(request)]
    rows += [Text(line, style="dim") for line in _detail_lines(request, zone)]
    rows += [Text(line, style="red") for line in _undeliverable_lines(request)]
    rows += [Text(line, style="bold") for line in _answer_instructions(request, viewer)]
    title = Text(f" {request_title(request)} ", style="bold yellow")
    return Panel(Group(*rows), title=title, title_align="left", border_style="yellow", expand=False, box=box.ROUNDED)


def request_title(request: ApiRequest) -> str:
    """Return a short title for the request."""
    if request.kind == "question":
        return f"{escape_hidden_characters(request.agent)} asks"
    if request.question:
        return f"{escape_hidden_characters(request.agent)} {display_value(request.question)}"
    return f"{escape_hidden_characters(request.agent)} wants to run {escape_hidden_characters(request.tool or '')}"


def _arguments_view(request: ApiRequest) -> RenderableType:
    if request.kind == "question":
        return Text(escape_hidden_except_newlines(request.question or ""))
    if request.question:  # the title contains the question, which describes the arguments
        return Text("")
    grid = Table.grid(padding=(0, 2))
    for name, value in (request.arguments or {}).items():
        grid.add_row(
            Text(escape_hidden_characters(name), style="dim"), Text(display_full_value(value), overflow="fold")
        )
    return grid


def _undeliverable_lines(request: ApiRequest) -> list[str]:
    """Return a line for each channel that could not show the request, without private addresses."""
    undeliverable = [card for card in request.cards if card.state == "undeliverable"]
    return [
        f"could not be shown on {escape_hidden_characters(redact_address(card.address))}: "
        f"{display_value(card.reason or '')}"
        for card in undeliverable
    ]


def _detail_lines(request: ApiRequest, zone: tzinfo | None) -> list[str]:
    explanation = request.explanation
    lines = [f"why, in the agent's words: {escape_hidden_characters(explanation.why)}"] if explanation.why else []
    requesters = request.requesters or (() if request.requester is None else (request.requester,))
    if asked_by := explanation.asked_by or ", ".join(name_in(request.names, address) for address in requesters):
        lines.append(f"asked for by {escape_hidden_characters(asked_by)}")
    if explanation.decided_by:
        lines.append(
            "; ".join(
                filter(
                    None,
                    (
                        f"can be decided by {escape_hidden_characters(explanation.decided_by)}",
                        escape_hidden_characters(explanation.progress),
                    ),
                )
            )
        )
    if request.expires_at is not None:
        until = f"open until {format_local_time(request.expires_at, zone)}"
        lines.append("; ".join(filter(None, (until, escape_hidden_characters(explanation.afterwards)))))
    return [*lines, f"in thread {escape_hidden_characters(request.thread_id)}"]


def _answer_instructions(request: ApiRequest, viewer: str | None) -> list[str]:
    if request.kind == "approval":
        return [f"/approve {request.code}", f"/deny {request.code} REASON"] if _may_approve(request, viewer) else []
    choices = [escape_hidden_characters(choice) for choice in request.choices or ()]
    return [f"/answer {request.code} {'|'.join(choices) or 'TEXT'}"]


def _may_approve(request: ApiRequest, viewer: str | None) -> bool:
    """Return whether the viewer may be one of the deciders; True if the list of people is not complete."""
    if viewer is None or not request.deciders:
        return True
    people = {person for group in request.deciders for person in group.people}
    return f"person:{viewer}" in people or any(group.role == "*" or group.more for group in request.deciders)


def closed_view(request: ApiRequest, zone: tzinfo | None = None) -> Text:
    """Return the outcome of a request: who decided, when and on which channel."""
    outcome = describe_outcome(request.status, request.answers, request.names, partial(_format_when, zone))
    return Text(f"{request.code} {outcome}", style=_STYLES_BY_STATUS.get(request.status, ""))


def answer_view(request: ApiRequest, answer: ApiAnswer, zone: tzinfo | None = None) -> Text:
    """Return an answer that left the request open: one of several needed, an edit, or one that does not count."""
    description = describe_answer(answer, request.names, partial(_format_when, zone))
    return Text(f"{request.code} {description}; {_describe_open_state(request, answer)}", style="yellow")


def _describe_open_state(request: ApiRequest, answer: ApiAnswer) -> str:
    if answer.is_proposal:
        return "still open: another person must approve the new version"
    if not answer.counted:
        return f"it does not count: {display_value(answer.reason or '')}"
    progress = request.explanation.progress
    return f"still open, {escape_hidden_characters(progress)}" if progress else "still open"


def _format_when(zone: tzinfo | None, at: datetime) -> str:
    return f" at {format_local_time(at, zone)}"


def format_local_time(at: datetime, zone: tzinfo | None = None) -> str:
    """Return a time with its zone. `zone` None means local time."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def status_text(status: str) -> Text:
    """Return a status in its color."""
    return Text(escape_hidden_characters(status), style=_STYLES_BY_STATUS.get(status, ""))


def table(names: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a table. Hidden characters in string cells are escaped; Text cells are used as they are."""
    view = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        view.add_column(name, overflow="fold")
    for row in rows:
        view.add_row(*(cell if isinstance(cell, Text) else Text(escape_hidden_characters(cell)) for cell in row))
    return view


def help_table() -> Table:
    """Return the table of all commands."""
    return table(("command", "what it does"), HELP)


def request_view(request: ApiRequest, zone: tzinfo | None = None) -> RenderableType:
    """Return the card of an open request, or the content and outcome of a closed one."""
    if request.status == "open":
        return card_view(request, zone)
    return Group(Text(request_title(request), style="bold"), _arguments_view(request), closed_view(request, zone))


def format_event(kind: str, data: Mapping[str, Any], names: Names = _NO_NAMES) -> str:
    """Return a summary of an event on one line."""
    fields = data
    if isinstance(nested := data.get(_NESTED_FIELDS.get(kind, "")), dict):
        fields = nested
    items = ((name, fields[name]) for name in _SUMMARY_FIELDS.get(kind, _DEFAULT_SUMMARY_FIELDS) if fields.get(name))
    texts = [_format_recipients(value, names) if name == "to" else str(value) for name, value in items]
    return display_value(" ".join(texts[:2] if kind in _SUMMARY_FIELDS else texts[:1]))


def _format_recipients(to: Any, names: Names) -> str:
    addresses = to if isinstance(to, list | tuple) else [to]
    return ", ".join(redact_address(str(address), names) for address in addresses)


def redact_address(address: str, names: Names = _NO_NAMES) -> str:
    """Return the name and channel of an address; without a name, only the channel of a private address.

    Addresses such as phone numbers and mail addresses are private.
    """
    scheme = str(address).partition(":")[0]
    if address in names:
        return name_in(names, address) if scheme == "person" else f"{name_in(names, address)} ({scheme})"
    return str(address) if scheme in _PUBLIC_SCHEMES else scheme


_PUBLIC_SCHEMES = ("agent", "person", "role", "slack", "system", "terminal", "web")


def format_event_detail(kind: str, data: Mapping[str, Any], names: Names = _NO_NAMES) -> str:
    """Return a summary of an event with the file and line of an error, for the event log."""
    location, summary = data.get("where"), format_event(kind, data, names)
    return f"{summary} (at {display_value(location)})" if location else summary


_DEFAULT_SUMMARY_FIELDS = ("text", "summary", "error", "reason", "detail", "tool", "status", "to", "fires_at")
_NESTED_FIELDS = {"StepChosen": "step", "RequestAnswered": "answer", "RequestOpened": "request"}
_SUMMARY_FIELDS = {
    "MessageDeleted": ("ref",),
    "StepChosen": ("intent", "tool"),
    "RequestAnswered": ("decision", "comment", "text"),
    "RequestOpened": ("code", "tool", "question"),
}
