"""The plugin as a whole: without configuration, with wrong settings, and what people see of it."""

import asyncio
import socket
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents.core.errors import ConfigurationError
from agents.core.messages import Provenance
from agents.core.steps import DoneForNow
from channels.email import build
from channels.email.config import EmailSettings, ListenAddress
from channels.email.listener import MailListener
from channels.email.plugin import build_plugin
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.harness.email import running_email_bot
from tests.harness.email_people import keep_unsigned
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

BOT = "bot@localhost"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def _settings(**fields: Any) -> EmailSettings:
    return EmailSettings(secret_key=SecretStr("k" * 32), **fields)


def _read_files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("*.eml")]


async def _wait_for_file(folder: Path) -> EmailMessage:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not (contents := await asyncio.to_thread(_read_files, folder)):
            pass
    message = message_from_bytes(contents[0], policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_mail_without_configuration_is_answered_by_a_file(database: Database, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    model = ScriptedModel(DoneForNow(message="production is v1.2.0."))
    async with running_email_bot(running_bot, database, model, outbox=outbox, email_address=BOT) as harness:
        you = harness.world.impostor_of(harness.eve, keep_unsigned)
        request = await you.write("what is deployed", subject="status", to=BOT)
        answer = await _wait_for_file(outbox)
        assert (answer["To"], answer["Subject"]) == (you.address, "Re: status")
        assert request["Message-ID"] in answer["References"]
        body = answer.get_body(("plain",))
        assert body is not None
        assert "production is v1.2.0." in body.get_content()
        assert harness.world.sink.mails == []
        events = await harness.bot.events(harness.bot.commits[-1].after.thread_id)
        assert next(e.provenance for e in events if e.type == "MessageReceived") is Provenance.UNVERIFIED


async def test_forged_sender_gets_no_mail_if_mails_leave_the_machine(database: Database) -> None:
    async with running_email_bot(running_bot, database, ScriptedModel(DoneForNow(message="Hello."))) as harness:
        await harness.world.impostor_of(harness.alice).write("hello")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not harness.bot.commits:
                await asyncio.to_thread(lambda: None)
        await harness.bot.wait_until_done(harness.bot.commits[-1].after.thread_id)
        assert harness.world.sink.mails == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email_address": "a-local-part-that-is-long@corp.test"}, "EMAIL_ADDRESS: "),
        ({"smtp_tls_cert": Path("missing.pem")}, "SMTP_TLS_KEY is missing"),
        ({"smtp_tls_cert": Path("missing.pem"), "smtp_tls_key": Path("missing.key")}, "must be PEM files"),
    ],
)
def test_setting_that_cannot_work_prevents_the_start(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        build(_settings(**fields))


def test_plugin_without_listeners_still_sends() -> None:
    plugin = build(_settings(smtp_listen=None))
    assert plugin.listeners == ()
    assert plugin.channel is not None


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class _SilentRuntime:
    """Runtime of a listener that only logs."""

    def __init__(self, *, runs_only_listeners: bool = False) -> None:
        self.logged: list[str] = []
        self.runs_only_listeners = runs_only_listeners

    def log(self, event: str, **_fields: Any) -> None:
        self.logged.append(event)


async def test_port_in_use_stops_the_start_only_if_it_was_configured(taken_port: int, tmp_path: Path) -> None:
    address, runtime = ListenAddress(host="127.0.0.1", port=taken_port), _SilentRuntime()
    configured = build_plugin(_settings(smtp_listen=address), outbox=tmp_path)
    with pytest.raises(ConfigurationError, match="SMTP_LISTEN"):
        await configured.listeners[0].start(runtime)  # type: ignore[arg-type]  # a listener that fails only logs
    by_default = EmailSettings.model_construct({"secret_key"}, **{**_settings().__dict__, "smtp_listen": address})
    listener = build_plugin(by_default, outbox=tmp_path).listeners[0]
    assert isinstance(listener, MailListener)
    with pytest.raises(ConfigurationError, match="set SMTP_LISTEN to an address that is free"):
        await listener.start(_SilentRuntime(runs_only_listeners=True))  # type: ignore[arg-type]  # as above
    await listener.start(runtime)  # type: ignore[arg-type]  # as above
    assert (listener.ports, runtime.logged) == ((), ["channel_not_started"])
    await listener.stop()
