"""The log: a closed set of actions and fields, safe text, and what libraries say without their arguments."""

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
untyped: Any = log  # to try what mypy forbids


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def lines() -> StringIO:
    stream = StringIO()
    configure_logging("debug", "json", stream)
    return stream


def fail() -> None:
    raise ValueError(CANARY)


def only(lines: StringIO) -> dict[str, Any]:
    (line,) = lines.getvalue().splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


def without_time(lines: StringIO) -> dict[str, Any]:
    return {name: value for name, value in only(lines).items() if name != "at"}


def test_a_line_has_a_time_a_level_an_action_and_its_fields(lines: StringIO) -> None:
    log(LogEvent.TOOL_FINISHED, thread_id="thr_1", tool="list_tags", seconds=0.12345, attempt=1, model=None)
    told = only(lines)
    assert told.pop("at").endswith("Z")
    assert told == {
        "level": "info",
        "action": "tool_finished",
        "thread_id": "thr_1",
        "tool": "list_tags",
        "seconds": 0.123,
        "attempt": 1,
    }


# --- closed ---


@pytest.mark.parametrize("field", ["text", "body", "token", "signature", "message", "arguments", "headers", "event"])
def test_a_field_nobody_declared_is_refused_without_its_value(lines: StringIO, field: str) -> None:
    with pytest.raises(TypeError, match=field) as raised:
        untyped(LogEvent.TOOL_FAILED, **{field: CANARY})
    assert CANARY not in str(raised.value)
    assert lines.getvalue() == ""


def test_an_action_nobody_declared_is_refused(lines: StringIO) -> None:
    with pytest.raises(TypeError):
        untyped("tool_failed")
    assert lines.getvalue() == ""


@pytest.mark.parametrize("value", [{"a": 1}, [1], b"x", SecretStr("x"), object()])
@pytest.mark.parametrize("field", sorted(FIELDS - {"error"}))
def test_a_field_holds_a_text_or_a_number_and_nothing_that_could_hold_more(
    lines: StringIO, field: str, value: object
) -> None:
    with pytest.raises(TypeError, match=field):
        untyped(LogEvent.TOOL_FAILED, **{field: value})
    assert lines.getvalue() == ""


def test_of_an_error_only_the_class_and_the_place_are_told(lines: StringIO) -> None:
    try:
        fail()
    except ValueError as error:
        log(LogEvent.TOOL_FAILED, level="error", error=error)
    told = without_time(lines)
    assert told.pop("where").startswith("bot/test_log.py:")
    assert told == {"level": "error", "action": "tool_failed", "error": "ValueError"}


def test_the_name_of_a_class_will_do_but_the_text_of_an_error_will_not(lines: StringIO) -> None:
    log(LogEvent.TOOL_FAILED, error="asyncpg.Error")
    assert only(lines)["error"] == "asyncpg.Error"
    with pytest.raises(TypeError, match="never its text"):
        log(LogEvent.TOOL_FAILED, error="it went wrong")


# --- safe ---


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"/v1/threads?token={CANARY}", "/v1/threads"),
        (f"/a/{CANARY}", "/a/…"),
        (f"/a/{CANARY}/confirm?x={CANARY}", "/a/…/confirm"),
        ("/v1/threads/thr_1", "/v1/threads/thr_1"),
    ],
)
def test_a_path_loses_its_query_and_the_token_of_a_link(lines: StringIO, path: str, told: str) -> None:
    log(LogEvent.HTTP_FAILED, path=path, status=200)
    assert only(lines)["path"] == told


def test_control_characters_cannot_forge_a_line_or_move_the_cursor() -> None:
    for log_format in ("console", "json"):
        stream = StringIO()
        configure_logging("info", log_format, stream)
        log(LogEvent.TOOL_STARTED, tool="a\n2026 [error] forged\x1b[2J\u202eb\u2028")
        (line,) = stream.getvalue().splitlines()
        assert line.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_is_one_printable_line_of_limited_length(text: str) -> None:
    stream = StringIO()
    configure_logging("info", "json", stream)
    log(LogEvent.TOOL_STARTED, tool=text)
    assert only(stream)["tool"].isprintable()
    assert len(stream.getvalue()) < 3000


# --- what libraries say ---


def test_a_library_is_heard_from_warnings_up_without_its_arguments(lines: StringIO) -> None:
    library = logging.getLogger("uvicorn.error")
    library.info("%s", CANARY)
    library.warning("Invalid request from %s\n%s", CANARY, CANARY)
    assert without_time(lines) == {
        "level": "warning",
        "action": "library_warned",
        "logger": "uvicorn.error",
        "text": "Invalid request from %s",
    }


def test_of_an_exception_a_library_logs_the_text_is_left_out(lines: StringIO) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    assert CANARY not in lines.getvalue()
    assert (only(lines)["error"], only(lines)["text"]) == ("ValueError", "Exception in ASGI application")


def test_urls_in_what_libraries_say_lose_their_query_and_link_tokens(lines: StringIO) -> None:
    put_together = f"GET http://localhost/a/{CANARY}?x={CANARY} took long"
    logging.getLogger("uvicorn.access").warning(put_together)
    assert only(lines)["text"] == "GET http://localhost/a/… took long"


def test_access_lines_of_the_server_are_not_heard(lines: StringIO) -> None:
    logging.getLogger("uvicorn.access").info('"GET /v1/threads?token=x HTTP/1.1" 200')
    assert lines.getvalue() == ""


# --- configuring ---


def test_the_level_decides_what_is_heard() -> None:
    stream = StringIO()
    configure_logging("warning", "json", stream)
    log(LogEvent.TOOL_STARTED)
    log(LogEvent.TOOL_FAILED, level="warning")
    assert only(stream)["action"] == "tool_failed"


def test_a_terminal_gets_lines_for_people_and_anything_else_json() -> None:
    pipe, terminal = StringIO(), Terminal()
    configure_logging("info", None, pipe)
    log(LogEvent.SERVER_STARTED, port=8000)
    configure_logging("info", None, terminal, color=False)
    log(LogEvent.SERVER_STARTED, port=8000)
    assert only(pipe)["port"] == 8000
    assert "server_started" in terminal.getvalue()
    assert "port=8000" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_colours_are_for_terminals_that_want_them() -> None:
    terminal = Terminal()
    configure_logging("info", None, terminal)
    log(LogEvent.SERVER_STARTED)
    assert "\x1b" in terminal.getvalue()


def test_configuring_again_moves_the_log_and_does_not_double_it(lines: StringIO) -> None:
    second = StringIO()
    configure_logging("info", "json", second)
    log(LogEvent.SERVER_STARTED)
    assert lines.getvalue() == ""
    assert only(second)["action"] == "server_started"


def test_unconfigured_the_log_never_reaches_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    log(LogEvent.SERVER_STARTED)
    assert capsys.readouterr().out == ""
