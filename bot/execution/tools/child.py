"""Child process for one tool call. `main` forks a worker, which imports the agent and runs the call.

The parent becomes a guard: when the server or the worker has ended, it kills the process group and itself.
"""

import json
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_CHUNK_BYTES = 65_536


def main() -> NoReturn:
    """Serve one call. Requests arrive on standard input, responses go to the original standard output."""
    response_pipe = os.dup(1)
    os.dup2(2, 1)  # what the tool prints goes to standard error, not into the responses
    request_pipe, worker_input = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(worker_input)
        _run_worker(request_pipe, response_pipe)
    os.close(request_pipe)
    os.close(response_pipe)
    _guard(worker, worker_input)


def _guard(worker: int, worker_input: int) -> NoReturn:
    """Forward requests to the worker until the server or the worker has ended."""
    try:
        signal.signal(signal.SIGCHLD, _interrupt_read)
        while os.waitpid(worker, os.WNOHANG) == (0, 0) and (chunk := os.read(0, _CHUNK_BYTES)):
            os.write(worker_input, chunk)
    finally:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _interrupt_read(_number: int, _frame: object) -> NoReturn:
    """Interrupt the blocking read in `_guard` when the worker has ended."""
    raise ChildProcessError


def _run_worker(request_pipe: int, response_pipe: int) -> NoReturn:
    """Import the agent, report that it is ready, read the arguments, call the function, send the response."""
    os.dup2(request_pipe, 0)
    with os.fdopen(0, "rb", closefd=False) as incoming, os.fdopen(response_pipe, "wb") as outgoing:
        _serve_call(incoming, outgoing)
    os._exit(0)


def _serve_call(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    start = json.loads(incoming.readline())
    try:
        tool = _load_tool(start["folder"], start["module"], start["name"])
    except BaseException as error:
        problem = f"{type(error).__name__} while importing {start['module']}"
        _write_response(outgoing, {"ready": False, "problem": problem})
        raise
    _write_response(outgoing, {"ready": True})
    request = json.loads(incoming.readline())
    _write_response(outgoing, _call_tool(tool, start["function"], request))


def _load_tool(folder: str | None, module: str, name: str) -> Any:
    from agents.core.tools import Tool  # noqa: PLC0415 - the guard shares this module and does not need it
    from agents.loading.sources import mount_folder  # noqa: PLC0415 - as above

    if folder is not None:
        mount_folder(Path(folder))
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)

    if not isinstance(found, Tool):
        raise TypeError(f"{module}.{name} is not a tool")
    return found


def _call_tool(tool: Any, function_name: Any, request: Any) -> dict[str, Any]:
    from agents.core.tools import ToolContext, ToolResult  # noqa: PLC0415 - as above
    from bot.execution.tools.calls import Invocation, invoke, to_call_error  # noqa: PLC0415 - as above

    context = ToolContext(**request["context"])
    try:
        value = invoke(Invocation("", tool, function_name, context, request["arguments"]))
    except BaseException as error:  # noqa: BLE001 - any end of a tool must be recorded
        return {"raised": _error_to_dict(to_call_error(error, context))}
    is_result = isinstance(value, ToolResult)
    return {"returned": value.model_dump(mode="json") if is_result else value, "is_result": is_result}


def _error_to_dict(error: Any) -> dict[str, Any]:
    from agents.core import errors  # noqa: PLC0415 - as above

    mro = type(error.error).__mro__
    error_classes = (base.__name__ for base in mro if getattr(errors, base.__name__, None) is base)
    return {
        "error_class": next(error_classes, None),
        "message": str(error.error),
        "retry_after": getattr(error.error, "retry_after", None),
        "is_timeout": isinstance(error.error, TimeoutError),
        "kind": error.kind,
        "where": error.where,
        "trace": error.trace,
    }


def _write_response(outgoing: BinaryIO, payload: dict[str, Any]) -> None:
    encoded = json.dumps(payload).encode()
    outgoing.write(len(encoded).to_bytes(8, "big") + encoded)
    outgoing.flush()
