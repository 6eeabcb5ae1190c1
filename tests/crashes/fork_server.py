"""Starts processes quickly: it has imported everything, and forks. What it forks is a process like any other.

Lines of JSON come in: {"id", "arguments", "log"} to start one, {"id", "signal"} to send a signal to it.
Lines go out: {"id", "pid"}, what the process announces, and {"id", "code"} at its end.
Nobody else waits for these processes, so no number is sent a signal that another process has by now.
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
    """The processes that live, by the names they were given."""

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
        """Tell of those that have ended."""
        for name, pid in list(self.pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.pids[name]
                write_message({"id": name, "code": os.waitstatus_to_exitcode(status)})

    def kill_all(self) -> None:
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def write_message(fields: Mapping[str, Any]) -> None:
    os.write(_OUT, json.dumps(fields).encode() + b"\n")


def _run_child(command: Mapping[str, Any]) -> None:
    """Be the process that was ordered, and never return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), _IN)
        os.dup2(os.open(command["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), _ERR)
        process.run(command["arguments"], lambda words: write_message({"id": command["id"], **words}))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is told of and stays in this process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Until nobody gives orders any more."""
    gc.collect()
    gc.freeze()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    zygote, said = ForkServer(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(_IN, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if told in ready:
                os.read(told, 4096)
            zygote.reap_children()
            if _IN not in ready:
                continue
            if not (piece := os.read(_IN, 65536)):
                break
            *orders, said = (said + piece).split(b"\n")
            for order in orders:
                zygote.handle_command(json.loads(order))
    zygote.kill_all()


if __name__ == "__main__":
    main()
