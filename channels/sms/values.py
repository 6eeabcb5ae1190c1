"""Values of the SMS channel: an incoming message and a report about a sent one, as Twilio posts and lists them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents.core.values import Address

CHANNEL = "sms"
PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
"""E.164 number. No other form is a number here: `whatsapp:+1…`, short codes, names and digits of other scripts."""


@dataclass(frozen=True)
class Media:
    """A picture or file of a message: its declared type, and the URL at which the provider keeps it."""

    content_type: str
    url: str = field(repr=False)


@dataclass(frozen=True)
class InboundSms:
    """A message that came in. `to` is the number that received it.

    `opt_out` is the provider's reading of the message, if it handles opt-outs: STOP, START or HELP.
    """

    sid: str
    to: str
    sender: str
    text: str = field(repr=False)
    media: tuple[Media, ...] = ()
    opt_out: str = ""

    @property
    def address(self) -> Address | None:
        """Address of the sender; None if it is no phone number."""
        return Address(f"{CHANNEL}:{self.sender}") if PHONE_NUMBER.fullmatch(self.sender) else None


FinalStatus = Literal["delivered", "read", "undelivered", "failed", "canceled"]

FINAL_STATUSES: Mapping[str, bool] = {
    "delivered": True,
    "read": True,
    "undelivered": False,
    "failed": False,
    "canceled": False,
    "partially_delivered": False,
}
"""States after which nothing else is known to follow, and whether the message has arrived in them.

`sent` is none: without a receipt from the carrier it is the last one, but it says nothing about the phone.
"""


@dataclass(frozen=True)
class StatusUpdate:
    """A state of a sent message, as of a status callback or a list of messages."""

    sid: str
    status: str
    error_code: str = ""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def has_arrived(self) -> bool:
        return FINAL_STATUSES.get(self.status, False)
