"""The log: one line per event, from a closed set of actions and fields, so that no body, token or signature fits in.

Configured once by each process; what libraries log goes through the same lines, from warnings up and without arguments.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from traceback import extract_tb as traceback_of
from types import TracebackType
from typing import Any, Literal, TextIO, TypedDict, Unpack

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]


class Action(StrEnum):
    """Everything that is ever logged, in the past tense."""

    SERVER_STARTED = "server_started"
    SERVER_STOPPING = "server_stopping"
    SERVER_STOPPED = "server_stopped"
    CONFIGURATION_DOUBTED = "configuration_doubted"
    CHANNEL_STARTED = "channel_started"
    CHANNEL_NOT_STARTED = "channel_not_started"
    THREAD_ADVANCED = "thread_advanced"
    AGENT_MISSING = "agent_missing"
    TOOL_MISSING = "tool_missing"
    MODEL_CALLED = "model_called"
    MODEL_FAILED = "model_failed"
    TOOL_STARTED = "tool_started"
    TOOL_FINISHED = "tool_finished"
    TOOL_FAILED = "tool_failed"
    TOOL_EXCEEDED = "tool_exceeded"
    TOOL_LEFT_TO_OTHERS = "tool_left_to_others"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_RETRIED = "message_retried"
    MESSAGE_UNDELIVERABLE = "message_undeliverable"
    CHANNEL_MISCONFIGURED = "channel_misconfigured"
    FILE_REFUSED = "file_refused"
    COURTESY_FAILED = "courtesy_failed"
    SOCKET_OPENED = "socket_opened"
    SOCKET_LOST = "socket_lost"
    REQUEST_OPENED = "request_opened"
    REQUEST_SETTLED = "request_settled"
    INBOUND_ACCEPTED = "inbound_accepted"
    INBOUND_REFUSED = "inbound_refused"
    SCHEDULE_FIRED = "schedule_fired"
    WAKEUP_FAILED = "wakeup_failed"
    WORKER_STARTED = "worker_started"
    WORKER_STOPPING = "worker_stopping"
    WORKER_STOPPED = "worker_stopped"
    JOBS_TAKEN_OVER = "jobs_taken_over"
    DATABASE_UNAVAILABLE = "database_unavailable"
    HTTP_ANSWERED = "http_answered"
    HTTP_FAILED = "http_failed"
    DESCRIPTORS_EXHAUSTED = "descriptors_exhausted"
    LIBRARY_WARNED = "library_warned"
    LOOP_FAILED = "loop_failed"
    LOOP_BLOCKED = "loop_blocked"


class Fields(TypedDict, total=False):
    """What a line may tell besides its action; None is left out.

    `error` is an exception, of which the class and the place are told and never the text, or the name of a class.
    `path` loses its query and the token of a link. `seconds` is how long something took. `where` is a file and line.
    `traceback` is that of an error in a tool, with its text: operators write tools, and get to see what fails in them.
    `file`, `line`, `key` and `warning` tell what is odd in what the operator wrote, without values of the environment.
    `trace` is any other exception, of which every place it came through is told and no text, the innermost last.
    `reason` is what another server said of its refusal, on one line, cut, without secrets.
    """

    thread_id: str | None
    request_id: str | None
    effect_key: str | None
    channel: str | None
    webhook: str | None
    schedule: str | None
    agent: str | None
    tool: str | None
    model: str | None
    outcome: str | None
    reason: str | None
    attempt: int | None
    count: int | None
    version: int | None
    seconds: float | None
    method: str | None
    path: str | None
    status: int | str | None
    host: str | None
    port: int | None
    file: str | None
    line: int | None
    key: str | None
    warning: str | None
    loop: str | None
    error: BaseException | str | None
    where: str | None
    traceback: str | None
    trace: BaseException | None


FIELDS = frozenset(Fields.__annotations__)
_LONGEST = 200
_MAX_TRACEBACK_CHARACTERS = 16_000
_MOST_FRAMES = 12
_LONGEST_REASON = 300
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
_QUERY = re.compile(r"\?[^\s\"']*")
_LINK_TOKEN = re.compile(r"/a/[^\s/\"']+")  # the path of a signed link is its secret (CONTRACT §4)
_NAME = "handrail"
_GO_THEIR_OWN_WAY = ("uvicorn", "uvicorn.access", "uvicorn.error")
_SILENT = ("procrastinate",)
"""Its lines carry the arguments of jobs in their text; what matters of them is told in lines of our own."""
_HANDLER = "handrail-lines"

# Wrapped by hand and not through structlog.configure, so that nothing is printed before a process says where to.
_logger: BoundLogger = structlog.wrap_logger(
    logging.getLogger(_NAME),
    processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
    wrapper_class=BoundLogger,
)


def log(action: Action, *, level: Level = "info", **fields: Unpack[Fields]) -> None:
    """Write one line. Raises TypeError for an action, a field or a kind of value that is not declared here."""
    if not isinstance(action, Action):
        raise TypeError("only members of bot.log.Action are logged")
    if unknown := fields.keys() - FIELDS:
        raise TypeError(f"{', '.join(sorted(unknown))}: no field of the log; bot.log.Fields has them all")
    told = dict(_told(fields))
    _logger.log(_number(level), action.value, **told)


def configure_logging(
    level: Level = "info", log_format: Format | None = None, stream: TextIO | None = None, *, color: bool = True
) -> None:
    """Send all lines of this process to `stream` (stderr), for people when it is a terminal and as JSON otherwise."""
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    renderer = _renderer(log_format or ("console" if on_terminal else "json"), color=color and on_terminal)
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER)
    handler.setFormatter(ProcessorFormatter(processors=[_line, renderer], use_get_message=False))
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if h.get_name() == _HANDLER]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _number(level)))
    logging.getLogger(_NAME).setLevel(_number(level))
    for name in _GO_THEIR_OWN_WAY:  # uvicorn keeps its lines to itself unless told otherwise
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _renderer(log_format: Format, *, color: bool) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=color, event_key="action", timestamp_key="at", sort_keys=False)


def _line(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    record: logging.LogRecord = event.pop("_record")
    ours = event.pop("_from_structlog")
    raised = event.pop("exc_info", None)
    told = {"action": event.pop("event"), **event} if ours else dict(_library_words(record, raised and raised[1]))
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"at": at.replace("+00:00", "Z"), "level": record.levelname.lower(), **told}


def _library_words(record: logging.LogRecord, raised: BaseException | None) -> Iterator[tuple[str, Any]]:
    """The first line of what a library says, before its arguments are put in: they may hold anything."""
    yield "action", Action.LIBRARY_WARNED.value
    yield "logger", record.name
    yield "text", _safe(_without_secrets(str(record.msg).partition("\n")[0]))
    if raised is not None:
        yield from _error(raised)


def _told(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if value is None:
            continue
        if name == "error":
            yield from _error(value)
        elif name == "trace":
            yield "traceback", _places(value)
        elif name == "traceback" and isinstance(value, str):
            lines = value[-_MAX_TRACEBACK_CHARACTERS:].splitlines()
            yield "exception", "\n".join(f"| {_printable(line)}" for line in lines)  # none passes for a line of the log
        else:
            yield name, _plain(name, value)


def _plain(name: str, value: Any) -> str | float:
    if isinstance(value, str):
        longest = _LONGEST_REASON if name == "reason" else _LONGEST
        return _safe(_without_secrets(value) if name == "path" else value, longest)
    if isinstance(value, int | float):
        return round(value, 3) if isinstance(value, float) else value
    raise TypeError(f"{name}: a line of the log holds texts and numbers, no {type(value).__name__}")


def _error(error: BaseException | str) -> Iterator[tuple[str, str]]:
    if isinstance(error, BaseException):
        yield "error", type(error).__name__
        if error.__traceback__ is not None:
            yield "where", _place(error.__traceback__)
    elif _CLASS.fullmatch(error):
        yield "error", error
    else:
        raise TypeError("error: must be an exception or the name of its class, never its text")


def _place(traceback: TracebackType) -> str:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return _written(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)


def _places(error: BaseException) -> str:
    """The traceback without the text of the error and without source lines: either may hold anything."""
    if not isinstance(error, BaseException):
        raise TypeError("trace: must be an exception")
    frames = traceback_of(error.__traceback__)[-_MOST_FRAMES:]
    return " > ".join(f"{_written(frame.filename, frame.lineno)} {frame.name}" for frame in frames)


def _written(file_name: str, line: int | None) -> str:
    file = Path(file_name)
    return f"{file.parent.name}/{file.name}:{line}"


def _without_secrets(text: str) -> str:
    return _LINK_TOKEN.sub("/a/…", _QUERY.sub("", text))


def _safe(text: str, longest: int = _LONGEST) -> str:
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return _printable(cut)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
