"""Server that imports the bot once and forks a process for each start.

It reads JSON lines: {"id", "arguments", "log"} starts a process, {"id", "signal"} sends it a signal. It writes JSON
lines: {"id", "pid"}, the announcements of the process, and {"id", "code"} at its end. Only this server reaps the
processes, so a signal never reaches a reused pid.
"""

import gc
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crashes import process

_IN, _OUT, _ERR = 0, 1, 2


@dataclass
class ForkServer:
    """Running processes, pids by id."""

    pids: dict[int, int] = field(default_factory=dict)

    def handle_command(self, command: Mapping[str, Any]) -> None:
        if "signal" in command:
            if command["id"] in self.pids:
                os.kill(self.pids[command["id"]], command["signal"])
            return
        if (pid := os.fork()) == 0:
            _run_child(command)
        self.pids[command["id"]] = pid
        write_message({"id": command["id"], "pid": pid})

    def reap_children(self) -> None:
        """Report the processes that have ended."""
        for process_id, pid in list(self.pids.items()):
            ended_pid, status = os.waitpid(pid, os.WNOHANG)
            if ended_pid:
                del self.pids[process_id]
                write_message({"id": process_id, "code": os.waitstatus_to_exitcode(status)})

    def kill_all(self) -> None:
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def write_message(fields: Mapping[str, Any]) -> None:
    os.write(_OUT, json.dumps(fields).encode() + b"\n")


def _run_child(command: Mapping[str, Any]) -> None:
    """Run the process in the forked child. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), _IN)
        os.dup2(os.open(command["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), _ERR)
        process.run(command["arguments"], lambda fields: write_message({"id": command["id"], **fields}))
        code = 0
    except BaseException:  # noqa: BLE001 - any error ends this child only, and is printed into its log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve commands until stdin is closed."""
    gc.collect()
    gc.freeze()
    wakeup_in, wakeup_out = os.pipe()
    os.set_blocking(wakeup_out, False)
    signal.set_wakeup_fd(wakeup_out, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    server, buffer = ForkServer(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(_IN, selectors.EVENT_READ)
        selector.register(wakeup_in, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wakeup_in in ready:
                os.read(wakeup_in, 4096)
            server.reap_children()
            if _IN not in ready:
                continue
            if not (chunk := os.read(_IN, 65536)):
                break
            *commands, buffer = (buffer + chunk).split(b"\n")
            for command in commands:
                server.handle_command(json.loads(command))
    server.kill_all()


if __name__ == "__main__":
    main()
