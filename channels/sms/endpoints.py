"""HTTP endpoints for Twilio: each verifies and stores its input, and answers when that is committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import ClassVar

from pydantic import SecretStr

from agents.core.errors import Forbidden
from channels.base import Endpoint, HttpRequest, HttpResponse, Runtime
from channels.sms.parser import account_of, parse_message, parse_status, read_form, to_message_form, to_status_form
from channels.sms.signing import Form, verify_signature
from channels.sms.values import CHANNEL, InboundSms, StatusUpdate
from channels.stored_input import RawInput

MESSAGES_PATH = "/channels/sms/messages"
STATUS_PATH = "/channels/sms/status"
KIND = "kind"
"""Name in the metadata of a stored input; its value is MESSAGE or STATUS."""
MESSAGE, STATUS = "message", "status"

_EMPTY_RESPONSE = HttpResponse(body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="text/xml")
"""TwiML that sends nothing: replies go through the outbox, where they can be tracked."""


@dataclass(frozen=True)
class TwilioEndpoints:
    """Endpoints of one account. There are two tokens while they are rotated."""

    account_sid: str
    auth_tokens: Sequence[SecretStr]
    public_url: str
    paths: ClassVar[tuple[str, ...]] = (MESSAGES_PATH, STATUS_PATH)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints for incoming messages and for states of sent ones."""
        return (Endpoint(MESSAGES_PATH, self.receive_message), Endpoint(STATUS_PATH, self.receive_status))

    async def receive_message(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Store a message. Raises Forbidden, InvalidInput and StoreUnavailable."""
        message = parse_message(self._authenticate(request))
        await runtime.receiver.store_input(to_message_input(message, runtime))
        return _EMPTY_RESPONSE

    async def receive_status(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Store a final state of a sent message; earlier states are not needed. Raises as `receive_message`."""
        update = parse_status(self._authenticate(request))
        if update.is_final:
            await runtime.receiver.store_input(to_status_input(update, runtime))
        return _EMPTY_RESPONSE

    def _authenticate(self, request: HttpRequest) -> Form:
        verify_signature(request, self.public_url, self._tokens())
        form = read_form(request)
        if not compare_digest(account_of(form).encode(), self.account_sid.encode()):
            raise Forbidden("the request is of another account")
        return form

    def _tokens(self) -> Iterator[str]:
        return (token.get_secret_value() for token in self.auth_tokens)


def to_message_input(message: InboundSms, runtime: Runtime) -> RawInput:
    """Return the stored input of a message. Its key is kept for ever, because a signed request can be repeated."""
    return RawInput(
        channel=CHANNEL,
        key=message.sid,
        group=message.sender,
        received_at=runtime.now(),
        metadata={KIND: MESSAGE},
        content=to_message_form(message),
        keeps_key=True,
    )


def to_status_input(update: StatusUpdate, runtime: Runtime) -> RawInput:
    """Return the stored input of a final state. Each state of a message is stored once."""
    return RawInput(
        channel=CHANNEL,
        key=f"{update.sid}:{update.status}:{update.error_code}",
        group=f"status:{update.sid}",
        received_at=runtime.now(),
        metadata={KIND: STATUS},
        content=to_status_form(update),
    )
