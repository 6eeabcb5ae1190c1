"""Structured log: one line per event, with a closed set of events and fields, so that no secret or message gets in.

Each process configures it once. Lines of libraries have the same format, from level `warning` and without arguments.
A channel without a `Runtime`, such as one that sends, logs one of the events with the standard library:
`logging.getLogger("handrail.NAME").warning("file_refused", extra={"fields": {"channel": "NAME"}})`.
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

from agents.core.visible_text import truncate

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]


class LogEvent(StrEnum):
    """Events that are logged; the key of a line is `action`."""

    SERVER_STARTED = "server_started"
    SERVER_STOPPING = "server_stopping"
    SERVER_STOPPED = "server_stopped"
    CONFIGURATION_WARNING = "configuration_warning"
    CHANNEL_NOT_STARTED = "channel_not_started"
    AGENT_LEFT_OUT = "agent_left_out"
    AGENT_MISSING = "agent_missing"
    TOOL_MISSING = "tool_missing"
    MODEL_CALLED = "model_called"
    MODEL_FAILED = "model_failed"
    TOOL_STARTED = "tool_started"
    TOOL_FINISHED = "tool_finished"
    TOOL_FAILED = "tool_failed"
    TOOL_TIMED_OUT = "tool_timed_out"
    TOOL_TAKEN_OVER = "tool_taken_over"
    DELIVERY_RETRIED = "delivery_retried"
    MESSAGE_UNDELIVERABLE = "message_undeliverable"
    SEND_LIMIT_REACHED = "send_limit_reached"
    CHANNEL_MISCONFIGURED = "channel_misconfigured"
    FILE_REFUSED = "file_refused"
    BACKGROUND_TASK_FAILED = "background_task_failed"
    SOCKET_OPENED = "socket_opened"
    SOCKET_LOST = "socket_lost"
    INBOUND_ACCEPTED = "inbound_accepted"
    INBOUND_REJECTED = "inbound_rejected"
    INPUT_RETRIED = "input_retried"
    INPUT_QUARANTINED = "input_quarantined"
    MESSAGE_WRITTEN = "message_written"
    RUN_FAILED = "run_failed"
    WORKER_STARTED = "worker_started"
    WORKER_STOPPING = "worker_stopping"
    WORKER_STOPPED = "worker_stopped"
    JOBS_TAKEN_OVER = "jobs_taken_over"
    DATABASE_UNAVAILABLE = "database_unavailable"
    HTTP_FAILED = "http_failed"
    DESCRIPTORS_EXHAUSTED = "descriptors_exhausted"
    LIBRARY_WARNED = "library_warned"
    LOOP_FAILED = "loop_failed"
    LOOP_BLOCKED = "loop_blocked"


class LogFields(TypedDict, total=False):
    """Fields of a log line besides its event; a field that is None is left out.

    `error` is an exception or the name of its class; its class and location are logged, never its text. `path` is
    logged without query and without the token of a link. `seconds` is a duration. `where` is a file and line.
    `traceback` is that of an error in a tool, with its text, because operators write tools and need it. `file`, `line`,
    `key` and `warning` describe a configuration warning, without values of the environment. `trace` is any other
    exception; the locations of its frames are logged without text, the innermost last. `reason` is the reason that
    another server gave for an error, on one line, truncated, without secrets.
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
_LINK_TOKEN_PATTERN = re.compile(r"/a/[^\s/\"']+")  # the path of a signed link is its secret
_LOGGER_NAME = "handrail"
_PROPAGATED_LOGGERS = ("uvicorn", "uvicorn.access", "uvicorn.error")
_SILENCED_LOGGERS = ("procrastinate",)
"""Loggers with secrets in their texts, such as arguments of jobs; Handrail logs the important facts itself."""
_HANDLER_NAME = "handrail-lines"

# Created without structlog.configure, so that nothing is printed before a process calls `configure_logging`.
_logger: BoundLogger = structlog.wrap_logger(
    logging.getLogger(_LOGGER_NAME),
    processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
    wrapper_class=BoundLogger,
)


def log(event: LogEvent, *, level: Level = "info", **fields: Unpack[LogFields]) -> None:
    """Write one line. Raises TypeError for an event, a field or a type of value that this module does not declare."""
    if not isinstance(event, LogEvent):
        raise TypeError("event: must be a member of bot.log.LogEvent")
    if unknown := fields.keys() - FIELDS:
        raise TypeError(f"{', '.join(sorted(unknown))}: not a field of bot.log.LogFields")
    _logger.log(_level_number(level), event.value, **dict(_format_fields(fields)))


def configure_logging(
    level: Level = "info", log_format: Format | None = None, stream: TextIO | None = None, *, color: bool = True
) -> None:
    """Write all lines of this process to `stream` (default stderr): readable on a terminal, otherwise as JSON."""
    stream = stream or sys.stderr
    is_terminal = stream.isatty()
    renderer = _create_renderer(log_format or ("console" if is_terminal else "json"), color=color and is_terminal)
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(ProcessorFormatter(processors=[_format_line, renderer], use_get_message=False))
    root = logging.getLogger()
    for previous in [h for h in root.handlers if h.get_name() == _HANDLER_NAME]:
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _level_number(level)))
    logging.getLogger(_LOGGER_NAME).setLevel(_level_number(level))
    for name in _PROPAGATED_LOGGERS:  # uvicorn does not propagate its lines by default
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
    is_own = event.pop("_from_structlog")
    exc_info = event.pop("exc_info", None)
    if is_own:
        fields = {"action": event.pop("event"), **event}
    elif (channel_fields := _channel_fields(record)) is not None:
        fields = {"action": record.msg, **dict(_format_fields(channel_fields))}
    else:
        fields = dict(_library_fields(record, exc_info and exc_info[1]))
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"at": at.replace("+00:00", "Z"), "level": record.levelname.lower(), **fields}


def _channel_fields(record: logging.LogRecord) -> Mapping[str, Any] | None:
    """Return the fields of a line that a channel logged, None for a line of a library."""
    fields = getattr(record, "fields", None)
    is_event = record.name.startswith(f"{_LOGGER_NAME}.") and str(record.msg) in set(LogEvent)
    return fields if is_event and isinstance(fields, Mapping) and fields.keys() <= FIELDS else None


def _library_fields(record: logging.LogRecord, error: BaseException | None) -> Iterator[tuple[str, Any]]:
    """Yield the first line of a library's message without its arguments, which may contain secrets."""
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
            # The prefix keeps a line of the traceback from looking like a line of the log.
            yield "exception", "\n".join(f"| {_escape_unprintable(line)}" for line in lines)
        else:
            yield name, _format_value(name, value)


def _format_value(name: str, value: Any) -> str | float:
    if isinstance(value, str):
        max_length = _MAX_REASON_LENGTH if name == "reason" else _MAX_VALUE_LENGTH
        return _truncate(_redact_secrets(value) if name == "path" else value, max_length)
    if isinstance(value, int | float):
        return round(value, 3) if isinstance(value, float) else value
    raise TypeError(f"{name}: must be a text or a number, not {type(value).__name__}")


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
    """Return the traceback without the error's text and without source lines, which may contain secrets."""
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
    return _escape_unprintable(truncate(text, max_length))


def _escape_unprintable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _level_number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
