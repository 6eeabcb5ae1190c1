"""Process that reads mails for the application, with limits of time, memory and files for each of them.

    python -m channels.email.reader_child

A request on stdin is a line of JSON, `{"envelope": …, "size": …, "is_dns_required": …}`, and the mail in `size` bytes;
its answer on stdout is a line of JSON, `{"mail": …}`, `{"rejected": reason}` or `{"unavailable": reason}`. The first
line on stdin has the settings, `{"ready": true}` is the answer. The end of stdin ends the process.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from channels.email.config import EmailSettings
from channels.email.reader import read_mail
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected, SenderCheck, SenderVerdict

CPU_SECONDS = 5
MEMORY_BYTES = 768 * 1024 * 1024
MAX_OPEN_FILES = 32

SenderCheckFactory = Callable[[EmailSettings], SenderCheck]


def main() -> None:
    """Serve with the sender check of the channel."""
    from channels.email.authentication import create_sender_check  # noqa: PLC0415 - tests serve without DNS

    serve(create_sender_check)


def serve(create_check: SenderCheckFactory) -> None:
    """Answer requests until stdin ends. Stdout becomes stderr, so that output of a library is no answer."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    check_sender = create_check(EmailSettings(**json.loads(requests.readline())))
    _limit_process()
    _answer(answers, {"ready": True})
    while line := requests.readline():
        request = json.loads(line)
        raw = requests.read(request["size"])
        _renew_cpu_limit()
        envelope = MailEnvelope(**request["envelope"])
        answer = _read(raw, envelope, check_sender)
        if "unavailable" in answer and not request.get("is_dns_required", True):
            answer = _read(raw, envelope, _find_sender_only)
        _answer(answers, answer)
        if answer.get("is_last"):
            return


def _read(raw: bytes, envelope: MailEnvelope, check_sender: SenderCheck) -> dict[str, Any]:
    try:
        return {"mail": read_mail(raw, envelope, check_sender).model_dump(mode="json")}
    except MailRejected as error:
        return {"rejected": str(error)}
    except DnsUnavailable as error:
        return {"unavailable": str(error)}
    except MemoryError:
        return {"rejected": "reading the mail takes too much memory", "is_last": True}


def _find_sender_only(raw: bytes, from_values: Sequence[str], _envelope: MailEnvelope) -> SenderVerdict:
    """Return the sender of a mail as one that is not authenticated, for a time without DNS."""
    from channels.email.authentication import find_sender  # noqa: PLC0415 - as above

    try:
        address = find_sender(raw, from_values)
    except ValueError as error:
        return SenderVerdict(address=None, is_authenticated=False, method="none", reason=str(error))
    return SenderVerdict(address=address, is_authenticated=False, method="none", reason="no DNS server answered")


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _limit_process() -> None:
    """Set the limits that stay: memory, no files written, few open files, no core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))


def _renew_cpu_limit() -> None:
    """Allow CPU_SECONDS more; at the limit the system ends the process by SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + 1 + CPU_SECONDS, hard))


if __name__ == "__main__":
    main()
