"""Child processes that read mails. A mail that hangs, kills or overfills one is rejected; other mails go on."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from agents.core.errors import Unavailable
from channels.email.config import EmailSettings
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected, ParsedMail

READ_TIMEOUT_SECONDS = 15.0
START_TIMEOUT_SECONDS = 30.0
PLACE_TIMEOUT_SECONDS = 15.0
"""Limit on the wait for a child. With the limits above, a mail that is read twice ends within the 120 s that processing
may take: an attempt that is stopped then counts against the mail, although other mails were slow."""
END_TIMEOUT_SECONDS = 2.0
"""Time for a child that has closed its output to end by itself."""
MAX_MAILS_PER_CHILD = 200
MAX_ANSWER_BYTES = 8_388_608
SETTINGS_OF_CHILD = {"email_address", "email_authserv_id", "dns_resolver", "lmtp_listen", "smtp_listen"}
"""The settings that a sender check needs: a process that reads foreign bytes must not know the relay's password."""

_SHUTDOWN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
_COMMAND = (sys.executable, "-P", "-m", "channels.email.reader_child")  # -P: not from the working folder


class _ChildEnded(Exception):
    """The child process has closed its output."""


@dataclass(eq=False)
class _Child:
    process: Process
    mail_count: int = 0
    exit_code: int = 0


@dataclass(eq=False)
class ReaderPool:
    """At most `size` child processes, which start with the first mails. A free one is used again."""

    settings: EmailSettings
    size: int = 2
    command: Sequence[str] = _COMMAND
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    place_timeout_seconds: float = PLACE_TIMEOUT_SECONDS
    _free: list[_Child] = field(default_factory=list)
    _all: set[_Child] = field(default_factory=set)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.size)

    async def read(self, raw: bytes, envelope: MailEnvelope, *, is_dns_required: bool = True) -> ParsedMail:
        """Read a mail in a child process.

        Raises MailRejected, DnsUnavailable, and Unavailable if all processes stay busy or none can be started. If DNS
        is not required, a sender who cannot be authenticated without it counts as not authenticated.
        """
        request = {
            "envelope": envelope.model_dump(mode="json"),
            "size": len(raw),
            "is_dns_required": is_dns_required,
        }
        async with self._place():
            if (child := self._take_free()) is not None:
                with suppress(_ChildEnded):  # it may have ended before this mail
                    return _to_mail(await self._use(child, raw, request))
            child = await self._start()
            try:
                return _to_mail(await self._use(child, raw, request))
            except _ChildEnded:
                raise MailRejected(self._explain_end(child)) from None

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold one of the `size` places. Raises Unavailable if none becomes free in time."""
        try:
            async with asyncio.timeout(self.place_timeout_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable("all mail readers are busy with other mails") from error
        try:
            yield
        finally:
            self._places.release()

    def _take_free(self) -> _Child | None:
        while self._free:
            child = self._free.pop()
            if child.process.returncode is None:
                return child
            self._all.discard(child)
        return None

    async def _use(self, child: _Child, raw: bytes, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of a child. It is kept for other mails unless it failed or is old. Raises _ChildEnded."""
        is_reusable = False
        try:
            answer = await self._ask(child, raw, request)
            child.mail_count += 1
            is_reusable = not answer.get("is_last") and child.mail_count < MAX_MAILS_PER_CHILD
            return answer
        finally:
            if is_reusable and not self._is_closed:
                self._free.append(child)
            else:
                await self._end(child)

    async def close(self) -> None:
        """End all child processes. A mail that is being read then fails with Unavailable."""
        self._is_closed = True
        self._free.clear()
        for child in list(self._all):
            await self._end(child)

    async def _start(self) -> _Child:
        if self._is_closed:
            raise Unavailable("the mail reader is closed")
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={},
                limit=MAX_ANSWER_BYTES,
                start_new_session=True,  # Ctrl-C in a terminal must not end a child in the middle of a mail
            )
        except OSError as error:
            raise Unavailable(f"the mail reader could not be started: {error.strerror}") from error
        child = _Child(process)
        self._all.add(child)
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await _send(process, self._settings_line())
                await _receive(process)
        except (TimeoutError, _ChildEnded) as error:
            await self._end(child)
            raise Unavailable("the mail reader could not be started") from error
        except BaseException:
            await self._end(child)
            raise
        return child

    def _settings_line(self) -> bytes:
        return self.settings.model_dump_json(include=SETTINGS_OF_CHILD).encode() + b"\n"

    async def _ask(self, child: _Child, raw: bytes, request: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.read_timeout_seconds):
                await _send(child.process, json.dumps(request).encode() + b"\n" + raw)
                return await _receive(child.process)
        except TimeoutError as error:
            raise MailRejected(f"reading the mail takes longer than {self.read_timeout_seconds:g} s") from error

    def _explain_end(self, child: _Child) -> str:
        """Return why a mail ended its child. Raises Unavailable if the mail is not the reason."""
        if self._is_closed:
            raise Unavailable("the mail reader was closed")
        code = child.exit_code
        if -code in _SHUTDOWN_SIGNALS:
            raise Unavailable("the mail reader was stopped")
        if code == -signal.SIGXCPU:
            return "reading the mail takes too much processor time"
        return (
            f"reading the mail ended the reader with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"
        )

    async def _end(self, child: _Child) -> None:
        self._all.discard(child)
        if child.process.stdout is not None and child.process.stdout.at_eof():
            with suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT_SECONDS):
                    await child.process.wait()
        with suppress(ProcessLookupError):
            child.process.kill()
        child.exit_code = await child.process.wait()
        child.process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - unread output would keep the pipes open


async def _send(process: Process, data: bytes) -> None:
    if process.stdin is None:
        raise _ChildEnded
    try:
        process.stdin.write(data)
        await process.stdin.drain()
    except OSError as error:
        raise _ChildEnded from error


async def _receive(process: Process) -> dict[str, Any]:
    """Return the next answer. Raises _ChildEnded at the end of the output, or for output that is no answer."""
    if process.stdout is None:
        raise _ChildEnded
    try:
        line = await process.stdout.readline()
        answer = json.loads(line)
    except ValueError as error:
        raise _ChildEnded from error
    if not isinstance(answer, dict):
        raise _ChildEnded
    return answer


def _to_mail(answer: dict[str, Any]) -> ParsedMail:
    if "unavailable" in answer:
        raise DnsUnavailable(str(answer["unavailable"])[:200])
    if "mail" not in answer:
        raise MailRejected(str(answer.get("rejected", "the reader gave no answer"))[:200])
    try:
        return ParsedMail.model_validate(answer["mail"])
    except ValidationError as error:
        raise MailRejected("the reader gave an answer that cannot be read") from error
