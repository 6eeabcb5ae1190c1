"""REST: programs open threads and follow their log over HTTP."""

from dataclasses import dataclass
from typing import ClassVar

from agents.messages import Assurance, Message, Receipt
from channels.base import Capabilities
from channels.degrade import as_text, digest_of_text


@dataclass(frozen=True)
class RestChannel:
    """Clients follow the log of their threads."""

    scheme: ClassVar[str] = "web"
    capabilities: ClassVar[Capabilities] = Capabilities(edits=True, assurance=Assurance.MEDIUM)

    def shown(self, message: Message) -> Receipt:
        return Receipt(ref="log", digest=digest_of_text(as_text(message, self.capabilities)))
