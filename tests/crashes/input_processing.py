"""Plugin of the pager with stored inputs, which fails before and after the processing of each."""

from dataclasses import dataclass

from agents.core.values import Address
from channels.base import Channel, Plugin, Runtime
from channels.inbound import Arrival, InboundMessage, Sender
from channels.stored_input import InputReply, InputResult, StoredInput
from tests.crashes.kill_points import KillPoint

WARD = Address("pager:ward7")
REPLY_ONLY = b"reply only"
"""Content of an input that gets a reply and posts no message."""


@dataclass(frozen=True)
class FaultyInputProcessing:
    """Processing that posts the input as a message, once, and returns a reply."""

    kill_point: KillPoint

    async def __call__(self, stored: StoredInput, runtime: Runtime) -> InputResult:
        self.kill_point.kill_if_reached("input claimed")
        if stored.raw.content != REPLY_ONLY:
            arrival = Arrival("pager", (f"input:{stored.raw.key}",), Sender((WARD,)), WARD, runtime.now())
            await runtime.receiver.post_message(InboundMessage(arrival, stored.raw.content.decode()))
        self.kill_point.kill_if_reached("input processed")
        reply = InputReply(WARD, f"Got {stored.raw.key}.", limit_key=stored.raw.key)
        return InputResult("processed", reply=reply)


def faulty_pager_plugin(channel: Channel, kill_point: KillPoint) -> Plugin:
    """Return the plugin of a pager channel."""
    return Plugin(channel, process_input=FaultyInputProcessing(kill_point))
