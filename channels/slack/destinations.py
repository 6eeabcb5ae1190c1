"""Where messages go: `slack:C0OPS`, `slack:C0OPS:1700000000.000100`, `slack:U0ALICE`, `slack:T0TEAM/U0ALICE`."""

import re
from dataclasses import dataclass

from agents.addresses import Address
from agents.errors import Permanent
from agents.messages import Receipt

_CHANNEL = re.compile(r"(?P<channel>[CDG][A-Z0-9]{1,30})(?::(?P<root>[0-9]{1,10}\.[0-9]{1,6}))?", re.ASCII)
_PERSON = re.compile(r"(?:[TE][A-Z0-9]{1,30}/)?(?P<user>[UW][A-Z0-9]{1,30})", re.ASCII)


@dataclass(frozen=True)
class Destination:
    """A channel, and the message whose thread is meant, if one is."""

    channel: str
    thread_ts: str | None = None


def parse_destination(address: Address) -> Destination | str:
    """The channel an address names, or the person, with whom a conversation has to be opened. Raises Permanent."""
    if found := _CHANNEL.fullmatch(address.id):
        return Destination(found["channel"], found["root"])
    if found := _PERSON.fullmatch(address.id):
        return found["user"]
    raise Permanent(f"{address} is no place on Slack; write it like slack:C0OPS or slack:U0ALICE")


def parse_message_ref(receipt: Receipt) -> tuple[str, str]:
    """The channel and the ts of a message we posted. Raises Permanent for a receipt that is not ours."""
    channel, _, ts = receipt.ref.partition(":")
    if not _CHANNEL.fullmatch(receipt.ref) or not ts:
        raise Permanent("this is no message on Slack")
    return channel, ts
