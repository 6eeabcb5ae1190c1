"""Tests of the log: a closed set of actions and fields, escaped text, and lines of libraries without arguments."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.log import FIELDS, LogEvent, configure_logging, log

CANARY = "c4n4ry"
untyped_log: Any = log  # without types, to test calls that mypy refuses


class Terminal(StringIO):
    """Stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, handrail = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, handrail.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    handrail.setLevel(levels[1])


@pytest.fixture
def lines() -> StringIO:
    stream = StringIO()
    configure_logging("debug", "json", stream)
    return stream


def fail() -> None:
    raise ValueError(CANARY)


def parse_only_line(lines: StringIO) -> dict[str, Any]:
    (line,) = lines.getvalue().splitlines()
    fields: dict[str, Any] = json.loads(line)
    return fields


def parse_line_without_time(lines: StringIO) -> dict[str, Any]:
    return {name: value for name, value in parse_only_line(lines).items() if name != "at"}


def test_line_has_time_level_action_and_fields(lines: StringIO) -> None:
    log(LogEvent.TOOL_FINISHED, thread_id="thr_1", tool="list_tags", seconds=0.12345, attempt=1, model=None)
    fields = parse_only_line(lines)
    assert fields.pop("at").endswith("Z")
    assert fields == {
        "level": "info",
        "action": "tool_finished",
        "thread_id": "thr_1",
        "tool": "list_tags",
        "seconds": 0.123,
        "attempt": 1,
    }


# --- closed set of actions and fields ---


@pytest.mark.parametrize("field", ["text", "body", "token", "signature", "message", "arguments", "headers", "event"])
def test_refuses_undeclared_field_without_showing_its_value(lines: StringIO, field: str) -> None:
    with pytest.raises(TypeError, match=field) as raised:
        untyped_log(LogEvent.TOOL_FAILED, **{field: CANARY})
    assert CANARY not in str(raised.value)
    assert lines.getvalue() == ""


def test_refuses_undeclared_action(lines: StringIO) -> None:
    with pytest.raises(TypeError):
        untyped_log("tool_failed")
    assert lines.getvalue() == ""


@pytest.mark.parametrize("value", [{"a": 1}, [1], b"x", SecretStr("x"), object()])
@pytest.mark.parametrize("field", sorted(FIELDS - {"error"}))
def test_refuses_values_other_than_texts_and_numbers(lines: StringIO, field: str, value: object) -> None:
    with pytest.raises(TypeError, match=field):
        untyped_log(LogEvent.TOOL_FAILED, **{field: value})
    assert lines.getvalue() == ""


def test_logs_only_class_and_location_of_an_error(lines: StringIO) -> None:
    try:
        fail()
    except ValueError as error:
        log(LogEvent.TOOL_FAILED, level="error", error=error)
    fields = parse_line_without_time(lines)
    assert fields.pop("where").startswith("bot/test_log.py:")
    assert fields == {"level": "error", "action": "tool_failed", "error": "ValueError"}


def test_accepts_class_name_and_refuses_text_of_an_error(lines: StringIO) -> None:
    log(LogEvent.TOOL_FAILED, error="asyncpg.Error")
    assert parse_only_line(lines)["error"] == "asyncpg.Error"
    with pytest.raises(TypeError, match="never its text"):
        log(LogEvent.TOOL_FAILED, error="it went wrong")


# --- escaping and redaction ---


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/v1/threads?token={CANARY}", "/v1/threads"),
        (f"/a/{CANARY}", "/a/…"),
        (f"/a/{CANARY}/confirm?x={CANARY}", "/a/…/confirm"),
        ("/v1/threads/thr_1", "/v1/threads/thr_1"),
    ],
)
def test_path_is_logged_without_query_and_link_token(lines: StringIO, path: str, expected: str) -> None:
    log(LogEvent.HTTP_FAILED, path=path, status=200)
    assert parse_only_line(lines)["path"] == expected


def test_control_characters_are_escaped() -> None:
    for log_format in ("console", "json"):
        stream = StringIO()
        configure_logging("info", log_format, stream)
        log(LogEvent.TOOL_STARTED, tool="a\n2026 [error] forged\x1b[2J\u202eb\u2028")
        (line,) = stream.getvalue().splitlines()
        assert line.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_becomes_one_short_printable_line(text: str) -> None:
    stream = StringIO()
    configure_logging("info", "json", stream)
    log(LogEvent.TOOL_STARTED, tool=text)
    assert parse_only_line(stream)["tool"].isprintable()
    assert len(stream.getvalue()) < 3000


# --- lines of libraries ---


def test_library_warning_is_logged_without_arguments(lines: StringIO) -> None:
    library = logging.getLogger("uvicorn.error")
    library.info("%s", CANARY)
    library.warning("Invalid request from %s\n%s", CANARY, CANARY)
    assert parse_line_without_time(lines) == {
        "level": "warning",
        "action": "library_warned",
        "logger": "uvicorn.error",
        "text": "Invalid request from %s",
    }


def test_library_exception_is_logged_without_its_text(lines: StringIO) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    assert CANARY not in lines.getvalue()
    assert (parse_only_line(lines)["error"], parse_only_line(lines)["text"]) == (
        "ValueError",
        "Exception in ASGI application",
    )


def test_library_urls_lose_query_and_link_token(lines: StringIO) -> None:
    message = f"GET http://localhost/a/{CANARY}?x={CANARY} took long"
    logging.getLogger("uvicorn.access").warning(message)
    assert parse_only_line(lines)["text"] == "GET http://localhost/a/… took long"


def test_access_log_of_the_server_is_omitted(lines: StringIO) -> None:
    logging.getLogger("uvicorn.access").info('"GET /v1/threads?token=x HTTP/1.1" 200')
    assert lines.getvalue() == ""


# --- configuration ---


def test_level_filters_lines() -> None:
    stream = StringIO()
    configure_logging("warning", "json", stream)
    log(LogEvent.TOOL_STARTED)
    log(LogEvent.TOOL_FAILED, level="warning")
    assert parse_only_line(stream)["action"] == "tool_failed"


def test_terminal_gets_readable_lines_and_a_file_gets_json() -> None:
    file_stream, terminal = StringIO(), Terminal()
    configure_logging("info", None, file_stream)
    log(LogEvent.SERVER_STARTED, port=8000)
    configure_logging("info", None, terminal, color=False)
    log(LogEvent.SERVER_STARTED, port=8000)
    assert parse_only_line(file_stream)["port"] == 8000
    assert "server_started" in terminal.getvalue()
    assert "port=8000" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_terminal_gets_colors_by_default() -> None:
    terminal = Terminal()
    configure_logging("info", None, terminal)
    log(LogEvent.SERVER_STARTED)
    assert "\x1b" in terminal.getvalue()


def test_second_configuration_replaces_the_first(lines: StringIO) -> None:
    second = StringIO()
    configure_logging("info", "json", second)
    log(LogEvent.SERVER_STARTED)
    assert lines.getvalue() == ""
    assert parse_only_line(second)["action"] == "server_started"


def test_unconfigured_log_does_not_print_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    log(LogEvent.SERVER_STARTED)
    assert capsys.readouterr().out == ""


def test_channel_logs_an_event_with_its_fields(lines: StringIO) -> None:
    logging.getLogger("handrail.pager").warning("file_refused", extra={"fields": {"reason": "missing_scope"}})
    line = parse_line_without_time(lines)
    assert line == {"level": "warning", "action": "file_refused", "reason": "missing_scope"}


@pytest.mark.parametrize("fields", [{"text": CANARY}, None, CANARY])
def test_channel_line_with_unknown_fields_shows_none_of_them(lines: StringIO, fields: Any) -> None:
    logging.getLogger("handrail.pager").warning("file_refused", extra={"fields": fields})
    assert CANARY not in lines.getvalue()
