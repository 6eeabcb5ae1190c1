"""The process of one call of a tool: `main` splits into a guard, and a worker that imports the agent and runs the call.

The guard only waits: when the server is gone, or the worker has ended, it kills the whole group, itself included.
"""

import json
import os
import signal
from importlib import import_module
from typing import Any, BinaryIO, NoReturn

_CHUNK_BYTES = 65_536


def main() -> NoReturn:
    """Serve one call. Requests come from standard input, answers leave by what was standard output."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what the tool prints is no answer
    requests, passed_on = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(passed_on)
        _run_worker(requests, answers)
    os.close(requests)
    os.close(answers)
    _guard(worker, passed_on)


def _guard(worker: int, worker_input: int) -> NoReturn:
    """Hand requests on to the worker, until the server is gone or the worker has ended."""
    try:
        signal.signal(signal.SIGCHLD, _worker_ended)
        while os.waitpid(worker, os.WNOHANG) == (0, 0) and (chunk := os.read(0, _CHUNK_BYTES)):
            os.write(worker_input, chunk)
    finally:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _worker_ended(_number: int, _frame: object) -> NoReturn:
    """Interrupt the wait for requests."""
    raise ChildProcessError


def _run_worker(request_pipe: int, response_pipe: int) -> NoReturn:
    """Import the agent, say so, wait for the arguments, call, answer."""
    os.dup2(request_pipe, 0)
    with os.fdopen(0, "rb", closefd=False) as incoming, os.fdopen(response_pipe, "wb") as outgoing:
        _serve_call(incoming, outgoing)
    os._exit(0)


def _serve_call(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    wanted = json.loads(incoming.readline())
    try:
        tool = _load_tool(wanted["module"], wanted["name"])
    except BaseException as error:
        _write_response(
            outgoing, {"ready": False, "problem": f"{type(error).__name__} while importing {wanted['module']}"}
        )
        raise
    _write_response(outgoing, {"ready": True})
    request = json.loads(incoming.readline())
    _write_response(outgoing, _call_tool(tool, wanted["part"], request))


def _load_tool(module: str, name: str) -> Any:
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    from agents.tools import Tool  # noqa: PLC0415 - the guard, which does not need it, is the same program

    if not isinstance(found, Tool):
        raise TypeError(f"{module}.{name} is no tool")
    return found


def _call_tool(tool: Any, function_name: Any, request: Any) -> dict[str, Any]:
    from agents.tools import ToolContext, ToolResult  # noqa: PLC0415 - the same
    from bot.tool_calls import Invocation, invoke, to_call_error  # noqa: PLC0415 - the same

    context = ToolContext(**request["context"])
    try:
        value = invoke(Invocation("", tool, function_name, context, request["arguments"]))
    except BaseException as error:  # noqa: BLE001 - whatever a tool does, its end must reach the ledger
        return {"raised": _error_to_dict(to_call_error(error, context))}
    is_result = isinstance(value, ToolResult)
    return {"returned": value.model_dump(mode="json") if is_result else value, "is_result": is_result}


def _error_to_dict(error: Any) -> dict[str, Any]:
    from agents import errors  # noqa: PLC0415 - the same

    ours = (kind.__name__ for kind in type(error.error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    return {
        "known": next(ours, None),
        "message": str(error.error),
        "retry_after": getattr(error.error, "retry_after", None),
        "is_timeout": isinstance(error.error, TimeoutError),
        "kind": error.kind,
        "where": error.where,
        "trace": error.trace,
    }


def _write_response(outgoing: BinaryIO, payload: dict[str, Any]) -> None:
    written = json.dumps(payload).encode()
    outgoing.write(len(written).to_bytes(8, "big") + written)
    outgoing.flush()
