"""Slack addresses and receipts.

Addresses: `slack:C0OPS`, `slack:C0OPS:1700000000.000100`, `slack:U0ALICE` and `slack:T0TEAM/U0ALICE`.
"""

import re
from dataclasses import dataclass

from agents.core.errors import Permanent
from agents.core.messages import Receipt
from agents.core.values import Address

_CHANNEL = re.compile(r"(?P<channel>[CDG][A-Z0-9]{1,30})(?::(?P<thread_ts>[0-9]{1,10}\.[0-9]{1,6}))?", re.ASCII)
_PERSON = re.compile(r"(?:[TE][A-Z0-9]{1,30}/)?(?P<user>[UW][A-Z0-9]{1,30})", re.ASCII)


@dataclass(frozen=True)
class Destination:
    """Channel, and the ts of a thread's root message if the destination is a thread."""

    channel: str
    thread_ts: str | None = None


def parse_destination(address: Address) -> Destination | str:
    """Return the destination of an address, or the user id of a person. Raises Permanent for any other address."""
    if match := _CHANNEL.fullmatch(address.id):
        return Destination(match["channel"], match["thread_ts"])
    if match := _PERSON.fullmatch(address.id):
        return match["user"]
    raise Permanent(f"{address} is not a valid Slack address; write it like slack:C0OPS or slack:U0ALICE")


def parse_message_ref(receipt: Receipt) -> tuple[str, str]:
    """Return the channel and the ts of a receipt. Raises Permanent for a receipt of another channel."""
    channel, _, ts = receipt.ref.partition(":")
    if not _CHANNEL.fullmatch(receipt.ref) or not ts:
        raise Permanent("the receipt does not name a Slack message")
    return channel, ts
