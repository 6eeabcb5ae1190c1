"""Reader process whose sender check does what a header of the mail asks for: hang, fill the memory, die, or run long.

python tests/fakes/email/misbehaving_reader.py
"""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import gettempdir

from channels.email.config import EmailSettings
from channels.email.reader_child import serve
from channels.email.values import DnsUnavailable, MailEnvelope, SenderCheck, SenderVerdict


def check_sender(raw: bytes, _from_headers: Sequence[str], _envelope: MailEnvelope) -> SenderVerdict:
    """Behave as the mail says, and return the id of the process as the reason."""
    behavior = raw.partition(b"X-Behavior: ")[2].partition(b"\r\n")[0].decode()
    if behavior:
        BEHAVIORS[behavior]()
    return SenderVerdict(address="a@corp.test", is_authenticated=False, method="none", reason=f"process {os.getpid()}")


def hang() -> None:
    while True:
        signal.pause()


def compute() -> None:
    while True:
        pass


def fill_memory() -> None:
    kept = []
    while True:
        kept.append(bytes(10_000_000))


def write_file() -> None:
    (Path(gettempdir()) / f"reader-{os.getpid()}").write_bytes(b"x")


def fail_without_dns() -> None:
    raise DnsUnavailable


BEHAVIORS: dict[str, Callable[[], object]] = {
    "hang": hang,
    "compute": compute,
    "fill memory": fill_memory,
    "die": lambda: os._exit(3),
    "be terminated": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "print": lambda: os.write(1, b'{"mail": {}}\n'),
    "write a file": write_file,
    "no dns": fail_without_dns,
}


def create_check(settings: EmailSettings) -> SenderCheck:
    """Return the check. Fails if the settings have a secret: a reader must not receive any."""
    if settings.smtp_url is not None or settings.secret_key is not None or os.environ.get("PATH"):  # noqa: TID251
        raise SystemExit(4)
    return check_sender


if __name__ == "__main__":
    serve(create_check)
