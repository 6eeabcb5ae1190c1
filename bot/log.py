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


class LogEvent(StrEnum):
    """Everything that is ever logged, in the past tense."""

    SERVER_STARTED = "server_started"
    SERVER_STOPPING = "server_stopping"
    SERVER_STOPPED = "server_stopped"
    CONFIGURATION_WARNING = "configuration_doubted"
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
    TOOL_TIMED_OUT = "tool_exceeded"
    TOOL_TAKEN_OVER = "tool_left_to_others"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_RETRIED = "message_retried"
    MESSAGE_UNDELIVERABLE = "message_undeliverable"
    CHANNEL_MISCONFIGURED = "channel_misconfigured"
    FILE_REFUSED = "file_refused"
    BACKGROUND_TASK_FAILED = "courtesy_failed"
    SOCKET_OPENED = "socket_opened"
    SOCKET_LOST = "socket_lost"
    REQUEST_OPENED = "request_opened"
    REQUEST_SETTLED = "request_settled"
    INBOUND_ACCEPTED = "inbound_accepted"
    INBOUND_REJECTED = "inbound_refused"
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


class LogFields(TypedDict, total=False):
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


FIELDS = frozenset(LogFields.__annotations__)
_MAX_VALUE_LENGTH = 200
_MAX_TRACEBACK_CHARACTERS = 16_000
_MAX_FRAMES = 12
_MAX_REASON_LENGTH = 300
_CLASS_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
_QUERY_PATTERN = re.compile(r"\?[^\s\"']*")
_LINK_TOKEN_PATTERN = re.compile(r"/a/[^\s/\"']+")  # the path of a signed link is its secret (CONTRACT §4)
_LOGGER_NAME = "handrail"
_PROPAGATED_LOGGERS = ("uvicorn", "uvicorn.access", "uvicorn.error")
_SILENCED_LOGGERS = ("procrastinate",)
"""Its lines carry the arguments of jobs in their text; what matters of them is told in lines of our own."""
_HANDLER_NAME = "handrail-lines"

# Wrapped by hand and not through structlog.configure, so that nothing is printed before a process says where to.
_logger: BoundLogger = structlog.wrap_logger(
    logging.getLogger(_LOGGER_NAME),
    processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
    wrapper_class=BoundLogger,
)


def log(event: LogEvent, *, level: Level = "info", **fields: Unpack[LogFields]) -> None:
    """Write one line. Raises TypeError for an action, a field or a kind of value that is not declared here."""
    if not isinstance(event, LogEvent):
        raise TypeError("only members of bot.log.Action are logged")
    if unknown := fields.keys() - FIELDS:
        raise TypeError(f"{', '.join(sorted(unknown))}: no field of the log; bot.log.Fields has them all")
    told = dict(_format_fields(fields))
    _logger.log(_level_number(level), event.value, **told)


def configure_logging(
    level: Level = "info", log_format: Format | None = None, stream: TextIO | None = None, *, color: bool = True
) -> None:
    """Send all lines of this process to `stream` (stderr), for people when it is a terminal and as JSON otherwise."""
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    renderer = _create_renderer(log_format or ("console" if on_terminal else "json"), color=color and on_terminal)
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(ProcessorFormatter(processors=[_format_line, renderer], use_get_message=False))
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if h.get_name() == _HANDLER_NAME]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _level_number(level)))
    logging.getLogger(_LOGGER_NAME).setLevel(_level_number(level))
    for name in _PROPAGATED_LOGGERS:  # uvicorn keeps its lines to itself unless told otherwise
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _SILENCED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _create_renderer(log_format: Format, *, color: bool) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=color, event_key="action", timestamp_key="at", sort_keys=False)


def _format_line(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    record: logging.LogRecord = event.pop("_record")
    ours = event.pop("_from_structlog")
    raised = event.pop("exc_info", None)
    told = {"action": event.pop("event"), **event} if ours else dict(_library_fields(record, raised and raised[1]))
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"at": at.replace("+00:00", "Z"), "level": record.levelname.lower(), **told}


def _library_fields(record: logging.LogRecord, error: BaseException | None) -> Iterator[tuple[str, Any]]:
    """The first line of what a library says, before its arguments are put in: they may hold anything."""
    yield "action", LogEvent.LIBRARY_WARNED.value
    yield "logger", record.name
    yield "text", _truncate(_redact_secrets(str(record.msg).partition("\n")[0]))
    if error is not None:
        yield from _error_fields(error)


def _format_fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if value is None:
            continue
        if name == "error":
            yield from _error_fields(value)
        elif name == "trace":
            yield "traceback", _traceback_locations(value)
        elif name == "traceback" and isinstance(value, str):
            lines = value[-_MAX_TRACEBACK_CHARACTERS:].splitlines()
            yield (
                "exception",
                "\n".join(f"| {_escape_unprintable(line)}" for line in lines),
            )  # none passes for a line of the log
        else:
            yield name, _format_value(name, value)


def _format_value(name: str, value: Any) -> str | float:
    if isinstance(value, str):
        longest = _MAX_REASON_LENGTH if name == "reason" else _MAX_VALUE_LENGTH
        return _truncate(_redact_secrets(value) if name == "path" else value, longest)
    if isinstance(value, int | float):
        return round(value, 3) if isinstance(value, float) else value
    raise TypeError(f"{name}: a line of the log holds texts and numbers, no {type(value).__name__}")


def _error_fields(error: BaseException | str) -> Iterator[tuple[str, str]]:
    if isinstance(error, BaseException):
        yield "error", type(error).__name__
        if error.__traceback__ is not None:
            yield "where", _error_location(error.__traceback__)
    elif _CLASS_NAME_PATTERN.fullmatch(error):
        yield "error", error
    else:
        raise TypeError("error: must be an exception or the name of its class, never its text")


def _error_location(traceback: TracebackType) -> str:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return _format_location(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)


def _traceback_locations(error: BaseException) -> str:
    """The traceback without the text of the error and without source lines: either may hold anything."""
    if not isinstance(error, BaseException):
        raise TypeError("trace: must be an exception")
    frames = traceback_of(error.__traceback__)[-_MAX_FRAMES:]
    return " > ".join(f"{_format_location(frame.filename, frame.lineno)} {frame.name}" for frame in frames)


def _format_location(file_name: str, line: int | None) -> str:
    file = Path(file_name)
    return f"{file.parent.name}/{file.name}:{line}"


def _redact_secrets(text: str) -> str:
    return _LINK_TOKEN_PATTERN.sub("/a/…", _QUERY_PATTERN.sub("", text))


def _truncate(text: str, max_length: int = _MAX_VALUE_LENGTH) -> str:
    cut = text if len(text) <= max_length else f"{text[:max_length]}…"
    return _escape_unprintable(cut)


def _escape_unprintable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _level_number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
