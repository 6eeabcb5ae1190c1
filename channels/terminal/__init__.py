"""The terminal: people type, a running server answers. Needs no account; the template for other channels."""

from dataclasses import dataclass
from typing import ClassVar

from agents.messages import Assurance, Message, Receipt
from channels.base import Capabilities
from channels.degrade import as_text, digest_of_text


@dataclass(frozen=True)
class TerminalChannel:
    """Terminals follow the log of their threads and of what waits for their person."""

    scheme: ClassVar[str] = "terminal"
    capabilities: ClassVar[Capabilities] = Capabilities(
        edits=True,
        commands=("/approve {code}", "/deny {code} why", "/answer {code} text"),
        assurance=Assurance.MEDIUM,
    )

    def shown(self, message: Message) -> Receipt:
        return Receipt(ref="log", digest=digest_of_text(as_text(message, self.capabilities)))
