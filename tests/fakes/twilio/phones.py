"""People's phones and Twilio's webhooks: what a person writes reaches the bot as a signed request."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.fakes.twilio.account import FakeTwilio, Status, TwilioMessage
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Function that posts a body with headers to a path with its query, and returns the HTTP status."""


def sign(token: str, url: str, parameters: Mapping[str, str]) -> str:
    """Return the signature of a form (twilio.com/docs/usage/security)."""
    text = url + "".join(f"{name}{parameters[name]}" for name in sorted(parameters))
    return b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


@dataclass
class Webhooks:
    """Twilio's requests to the bot at `public_url`. With `is_down` they are lost."""

    twilio: FakeTwilio
    public_url: str
    post: Post
    is_down: bool = False
    statuses: list[int] = field(default_factory=list)

    async def send_message(self, message: TwilioMessage, **extra: str) -> int:
        """Report a received message, and return the HTTP status of the bot."""
        media = {f"MediaUrl{n}": url for n, (_, url) in enumerate(message.media)}
        media |= {f"MediaContentType{n}": kind for n, (kind, _) in enumerate(message.media)}
        fields = {
            "MessageSid": message.sid, "SmsSid": message.sid, "SmsMessageSid": message.sid, "SmsStatus": "received",
            "AccountSid": self.twilio.account_sid, "From": message.sender, "To": message.to, "Body": message.body,
            "NumMedia": str(len(message.media)), "NumSegments": "1", "ToCountry": "US", "FromCity": "",
            "ApiVersion": "2010-04-01", **media, **extra,
        }  # fmt: skip
        return await self.send("/channels/sms/messages", fields)

    async def report(self, message: TwilioMessage, status: Status, error_code: int | None = None) -> int:
        """Change the state of a sent message and report it, as its callback asks."""
        message.status, message.error_code = status, error_code
        assert message.callback_url is not None
        url = urlsplit(message.callback_url)
        fields = {
            "MessageSid": message.sid, "SmsSid": message.sid, "MessageStatus": status, "SmsStatus": status,
            "AccountSid": self.twilio.account_sid, "From": message.sender, "To": message.to, "ApiVersion": "2010-04-01",
            **({"ErrorCode": str(error_code)} if error_code is not None else {}),
        }  # fmt: skip
        return await self.send(f"{url.path}?{url.query}", fields)

    async def send(self, path: str, fields: Mapping[str, str], *, token: str | None = None) -> int:
        """Post a signed form. `token` is another one than that of the account."""
        if self.is_down:
            return 0
        signature = sign(token or self.twilio.auth_token, self.public_url + path, fields)
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "x-twilio-signature": signature,
            "i-twilio-idempotency-token": fields.get("MessageSid", ""),
            "user-agent": "TwilioProxy/1.1",
        }
        status = await self.post(path, headers, urlencode(dict(fields)).encode())
        self.statuses.append(status)
        return status


@dataclass
class Phone:
    """The phone of a person."""

    number: str
    webhooks: Webhooks
    _read_count: int = 0

    @property
    def inbox(self) -> list[TwilioMessage]:
        """All messages to this phone, the oldest first."""
        return self.webhooks.twilio.sent_to(self.number)

    async def write(self, text: str, **options: Any) -> TwilioMessage:
        """Write a message to the bot. Twilio repeats its webhook until the bot takes it."""
        message = self.webhooks.twilio.receive(self.number, text, **options)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not self.webhooks.is_down and await self.webhooks.send_message(message) >= 500:
                await asyncio.to_thread(lambda: None)
        return message

    async def wait_for_sms(self, *texts: str) -> TwilioMessage:
        """Return the next message with all these texts, and count it and those before it as read."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (found := self._find_unread(texts)) is None:
                await asyncio.to_thread(lambda: None)
        return found

    def _find_unread(self, texts: tuple[str, ...]) -> TwilioMessage | None:
        for index, message in enumerate(self.inbox[self._read_count :], self._read_count):
            if all(text in message.body for text in texts):
                self._read_count = index + 1
                return message
        return None
