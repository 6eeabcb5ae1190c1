"""SMS without an account, to try the channel on one machine: the log shows them, and people type the answers.

`POST /channels/sms/simulate`, with the API token of an administrator, is a person's phone: `handrail chat` uses it.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from json import dumps
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.core.errors import InvalidInput
from agents.core.messages import Message, Receipt
from agents.core.values import Address, person_address
from channels.base import Endpoint, HttpRequest, HttpResponse, Runtime
from channels.inbound import Sender
from channels.sms.channel import SmsChannel
from channels.sms.endpoints import to_message_input
from channels.sms.values import CHANNEL, PHONE_NUMBER, InboundSms

SIMULATE_PATH = "/channels/sms/simulate"
REPLY_TIMEOUT_SECONDS = 2.0
"""Time that a phone waits for an automatic reply. Most messages get none."""
_REPLY_PREFIX = "input:"
"""Prefix of the keys of automatic replies."""
LOCAL_SENDER = "+15550000000"
"""Number of the bot in a trial. Numbers with 555 are reserved for fiction."""


class LocalMessageApi:
    """Takes the place of Twilio: it gives each message an id and sends nothing."""

    async def create(self, to: str, body: str, *, validity_seconds: int, callback_url: str | None) -> str:  # noqa: ARG002
        """Return a new id."""
        return _new_sid()

    async def find_sent(self, to: str, body: str, since: datetime) -> str | None:  # noqa: ARG002 - nothing is sent
        """Return None."""
        return None


@dataclass
class LocalSmsChannel(SmsChannel):
    """Channel whose receipts have the text of the message, since it is not sent.

    The log of a thread shows its messages; automatic replies are in no log, so `answers` passes them to the phones.
    """

    answers: "dict[str, asyncio.Queue[str]]" = field(default_factory=dict)

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        """Return the receipt of the message, with its text."""
        receipt = await super().send(to, message, key=key, replaces=replaces, may_have_been_sent=may_have_been_sent)
        text = "\n".join(self.render(message)[0])
        if key.startswith(_REPLY_PREFIX) and to.id in self.answers:
            self.answers[to.id].put_nowait(text)
        return receipt if receipt == replaces else receipt.model_copy(update={"text": text, "confirm_by": None})


class SimulatedSms(BaseModel):
    """Body of a request to SIMULATE_PATH: the phone number or the name of a person, and what they write."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(alias="from", min_length=1, max_length=64)
    text: str = Field(max_length=1600)


@dataclass(frozen=True)
class SimulatedPhone:
    """Endpoint that takes messages from people's phones in a trial, and returns the automatic reply if one comes."""

    channel: LocalSmsChannel

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoint."""
        return (Endpoint(SIMULATE_PATH, self.receive, needs_admin=True),)

    async def receive(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Store a message as Twilio's endpoint does. Raises InvalidInput and StoreUnavailable."""
        try:
            body = SimulatedSms.model_validate_json(request.body)
        except ValidationError as error:
            raise InvalidInput('send {"from": a phone number or the name of a person, "text": …}') from error
        number = await self._find_number(body.sender, runtime)
        message = InboundSms(_new_sid(), LOCAL_SENDER, number, body.text)
        answers = self.channel.answers.setdefault(number, asyncio.Queue())
        await runtime.receiver.store_input(to_message_input(message, runtime))
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                reply = await answers.get()
        except TimeoutError:
            reply = ""
        return HttpResponse(status=202, body=dumps({"reply": reply}).encode())

    async def _find_number(self, sender: str, runtime: Runtime) -> str:
        """Return the phone number of a person. Raises InvalidInput for a person without one."""
        if PHONE_NUMBER.fullmatch(sender):
            return sender
        try:
            identity = Sender((person_address(sender),))
        except ValueError:
            raise InvalidInput("the name of a person has no spaces and no colon") from None
        person = (await runtime.receiver.overview(identity, 1)).person
        addresses = () if person is None else person.addresses
        number = next((address.id for address in addresses if address.scheme == CHANNEL), None)
        if number is None:
            raise InvalidInput(f"{sender} has no phone number; add `phone` to the person in handrail.toml")
        return number


async def name_local_media(media: object) -> tuple[str, ...]:  # noqa: ARG001 - a simulated phone has no pictures
    """Return no names."""
    return ()


def _new_sid() -> str:
    return f"SM{uuid4().hex}"
