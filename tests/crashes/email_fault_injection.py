"""Email channel with kill points around the storing, reading and processing of mails, and around sending them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import SecretStr

from bot.services.ids import Clock
from channels.base import Plugin, Receiver, Runtime
from channels.email.channel import EmailChannel
from channels.email.config import EmailSettings, parse_listen_address
from channels.email.listener import MailListener
from channels.email.plugin import build_plugin
from channels.email.transport import Transport
from channels.stored_input import InputResult, RawInput, StoredInput
from tests.crashes.kill_points import KillPoint
from tests.harness.email_people import BOT_ADDRESS

SECRET_KEY = "a-key-that-signs-addresses-in-every-process"


@dataclass(frozen=True)
class KillingTransport:
    """Transport that kills the process before a mail is sent, and after the final dot but before that is recorded."""

    wrapped: Transport
    kill_point: KillPoint

    async def send(self, mail: bytes, *, sender: str, recipient: str, message_id: str) -> None:
        self.kill_point.kill_if_reached("before the final dot")
        await self.wrapped.send(mail, sender=sender, recipient=recipient, message_id=message_id)
        self.kill_point.kill_if_reached("after the final dot")


@dataclass(frozen=True)
class KillingReceiver:
    """Receiver that kills the process before a mail is stored, and after that but before the mail is acknowledged."""

    wrapped: Receiver
    kill_point: KillPoint

    async def store_input(self, raw_input: RawInput) -> bool:
        self.kill_point.kill_if_reached("before the mail is stored")
        is_new = await self.wrapped.store_input(raw_input)
        self.kill_point.kill_if_reached("after the mail is stored")
        return is_new

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@dataclass(frozen=True)
class KillingRuntime:
    """Runtime with a receiver that kills."""

    wrapped: Runtime
    kill_point: KillPoint

    @property
    def receiver(self) -> Receiver:
        return cast("Receiver", KillingReceiver(self.wrapped.receiver, self.kill_point))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@dataclass(frozen=True)
class KillingListener:
    """Listener whose mails are stored by a receiver that kills."""

    wrapped: MailListener
    kill_point: KillPoint

    async def start(self, runtime: Runtime) -> None:
        await self.wrapped.start(cast("Runtime", KillingRuntime(runtime, self.kill_point)))

    async def stop(self) -> None:
        await self.wrapped.stop()


@dataclass(frozen=True)
class KillingProcessing:
    """Processing that kills the process before a mail is read, and between its effects and the end of its row."""

    process: Callable[[StoredInput, Runtime], Awaitable[InputResult]]
    kill_point: KillPoint

    async def __call__(self, stored: StoredInput, runtime: Runtime) -> InputResult:
        self.kill_point.kill_if_reached("before the mail is read")
        result = await self.process(stored, runtime)
        self.kill_point.kill_if_reached("before the row is finished")
        return result


def killing_email_plugin(listen: str, relay: str, dns: str, clock: Clock, kill_point: KillPoint) -> Plugin:
    """Build the email plugin of a bot with kill points. The addresses are `host:port`."""
    settings = EmailSettings(
        secret_key=SecretStr(SECRET_KEY),
        email_address=BOT_ADDRESS,
        smtp_listen=parse_listen_address(listen),
        smtp_url=SecretStr(f"smtp://{relay}"),
        dns_resolver=parse_listen_address(dns),
    )
    plugin = build_plugin(settings, now=clock.now)
    channel, process = cast("EmailChannel", plugin.channel), plugin.process_input
    assert process is not None
    return replace(
        plugin,
        channel=replace(channel, transport=KillingTransport(channel.transport, kill_point)),
        listeners=tuple(KillingListener(cast("MailListener", one), kill_point) for one in plugin.listeners),
        process_input=KillingProcessing(process, kill_point),
    )
