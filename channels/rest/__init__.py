"""REST: programs open threads and follow their log over HTTP."""

from dataclasses import dataclass
from typing import ClassVar

from agents.addresses import Address
from agents.messages import Assurance, Message, Receipt
from channels.base import Capabilities
from channels.degrade import as_text, digest_of_text


@dataclass(frozen=True)
class RestChannel:
    """Clients follow the thread's log, so a message is there for them once it is written: sending is that receipt."""

    scheme: ClassVar[str] = "web"
    capabilities: ClassVar[Capabilities] = Capabilities(edits=True, assurance=Assurance.MEDIUM)

    async def send(self, to: Address, message: Message, *, key: str, replacing: Receipt | None = None) -> Receipt:
        return Receipt(ref="log", digest=digest_of_text(as_text(message, self.capabilities)))
