"""Call one function of a tool, in the current OS thread and process."""

import asyncio
import inspect
import json
import re
import sysconfig
import traceback
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.core.errors import HandrailError, ToolError
from agents.core.tools import Tool, ToolContext, ToolResult

FunctionName = Literal["prepare", "run", "check"]
"""Functions of a tool: `prepare` resolves the arguments, `run` does the work, `check` finds out whether it was done."""

MAX_RESULT_CHARACTERS = 16_000
MAX_TRACEBACK_CHARACTERS = 16_000
_SECRET_NAME_PATTERN = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_MIN_SECRET_LENGTH = 6
_LIBRARY_DIRECTORY = "site-packages"
_EXCLUDED_PREFIXES = (__file__, sysconfig.get_path("stdlib"))
_URL_CREDENTIALS_PATTERN = re.compile(r"(?<=://)[^/\s@]{1,500}@")


class InvalidToolResult(ToolError):
    """A function returned a value of the wrong type. `where` is the file and line of its definition."""

    code = "wrong_result"

    def __init__(self, message: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where


class ToolCrash(RuntimeError):
    """The function tried to end the process."""


class ToolStopped(TimeoutError):
    """The function was stopped or still runs after its timeout. It may have had its effect."""


class ToolTimeout(ToolStopped):
    """The function did not end within its timeout."""


class ToolProcessEnded(ToolStopped):
    """The process of the tool ended without an answer."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or "the process of the tool ended without an answer")


class ToolCallError(Exception):
    """A function of a tool raised `error`.

    `kind` is the name of its class, `where` the file and line, `trace` the traceback. The traceback, and the text of an
    error that is not a HandrailError, go only to the operator's log: they may contain secrets.
    """

    def __init__(self, error: Exception, *, kind: str, where: str | None = None, trace: str = "") -> None:
        super().__init__(kind)
        self.error = error
        self.kind = kind
        self.where = where
        self.trace = trace

    @property
    def message(self) -> str:
        """The text for the model and for people."""
        if isinstance(self.error, HandrailError | ToolStopped):
            return str(self.error)
        if isinstance(self.error, TimeoutError):
            return "the call took too long"
        return f"an unexpected {self.kind}; the details are in the operator's log"


@dataclass(frozen=True)
class Invocation:
    """A function of an agent's tool with its context and its arguments, which are canonical JSON."""

    agent: str
    tool: Tool
    function_name: FunctionName
    context: ToolContext
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the tool in `ToolCallLimits`."""
        return f"{self.agent}.{self.tool.name}"


def invoke(invocation: Invocation) -> Any:
    """Call the function with typed arguments and return its result. Raises InvalidToolResult and its own errors."""
    tool = invocation.tool
    function = getattr(tool, invocation.function_name)
    value = function(invocation.context, **tool.to_typed_arguments(invocation.arguments))
    if inspect.isawaitable(value):
        value = asyncio.run(_await_with_timeout(value, tool.timeout))
    return _check_result(tool, invocation.function_name, value)


def to_call_error(error: BaseException, context: ToolContext) -> ToolCallError:
    """Wrap an error of a tool. A BaseException that would end the process, such as SystemExit, becomes a ToolCrash."""
    wrapped = error if isinstance(error, Exception) else ToolCrash(f"the tool raised {type(error).__name__}")
    trace = "".join(traceback.format_exception(error))[-MAX_TRACEBACK_CHARACTERS:]
    where = error.where if isinstance(error, InvalidToolResult) else _error_location(error)
    return ToolCallError(
        wrapped, kind=type(error).__name__, where=where, trace=_redact_secrets(trace, context.environment)
    )


async def _await_with_timeout(value: Awaitable[Any], timeout_seconds: float) -> Any:
    """Await a coroutine. Unlike a blocking function it can be stopped at its timeout."""
    async with asyncio.timeout(timeout_seconds):
        return await value


def _check_result(tool: Tool, function_name: FunctionName, value: Any) -> Any:
    if function_name == "prepare" and isinstance(value, dict):
        return tool.validate_arguments(value)
    if function_name != "prepare" and (isinstance(value, ToolResult) or (function_name == "check" and value is None)):
        return make_storable(value) if isinstance(value, ToolResult) else value
    raise _invalid_result(tool, function_name, value)


def make_storable(result: ToolResult) -> ToolResult:
    """Return the result with its data as plain JSON, or with a marker if it is not JSON or too long to store."""
    try:
        plain = json.loads(result.model_dump_json(), parse_constant=lambda _name: None)
    except (TypeError, ValueError, RecursionError) as error:
        return ToolResult(summary=result.summary, data={"cannot_be_kept": type(error).__name__})
    size = len(json.dumps(plain, ensure_ascii=False))
    data = plain.get("data") if size <= MAX_RESULT_CHARACTERS else {"too_long_to_keep": size}
    return ToolResult(summary=result.summary, data=data)


def _invalid_result(tool: Tool, function_name: FunctionName, value: Any) -> InvalidToolResult:
    expected = {"prepare": "a dict of arguments", "run": "a ToolResult", "check": "a ToolResult or None"}[function_name]
    name = tool.name if function_name == "run" else f"{function_name} of {tool.name}"
    advice = "; it ran, so it is not started again: check what it did" if function_name == "run" else ""
    where = function_location(tool, function_name)
    return InvalidToolResult(f"{name} returned {type(value).__name__} instead of {expected}{advice}", where)


def function_location(tool: Tool, function_name: FunctionName) -> str | None:
    """Return the file and line where the function begins."""
    code = getattr(inspect.unwrap(getattr(tool, function_name)), "__code__", None)
    return f"{_shorten_path(code.co_filename)}:{code.co_firstlineno}" if code else None


def _error_location(error: BaseException) -> str | None:
    """Return the innermost frame outside libraries and this file, else the innermost one, as `file:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith(_EXCLUDED_PREFIXES) and _LIBRARY_DIRECTORY not in frame.filename
    ]
    frame = next(reversed(own or frames), None)
    return f"{_shorten_path(frame.filename)}:{frame.lineno}" if frame else None


def _shorten_path(filename: str) -> str:
    """Return the file with its two parent folders: enough to find it without details of the machine."""
    return "/".join(Path(filename).parts[-3:]).lstrip("/")


def _redact_secrets(text: str, environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        if _SECRET_NAME_PATTERN.search(name) and len(value) >= _MIN_SECRET_LENGTH:
            text = text.replace(value, "***")
    return _URL_CREDENTIALS_PATTERN.sub("***@", text)
