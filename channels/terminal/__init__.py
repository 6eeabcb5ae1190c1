"""The terminal: people type, a running server answers. Needs no account; the template for other channels."""

from dataclasses import dataclass
from typing import ClassVar

from agents.messages import Assurance, Message, Receipt
from channels.base import Capabilities
from channels.text import text_digest, to_plain_text


@dataclass(frozen=True)
class TerminalChannel:
    """Terminals follow the log of their threads and of what waits for their person."""

    scheme: ClassVar[str] = "terminal"
    capabilities: ClassVar[Capabilities] = Capabilities(
        can_edit=True,
        reply_instructions=("/approve {code}", "/deny {code} why", "/answer {code} text"),
        assurance=Assurance.MEDIUM,
    )

    def receipt_for(self, message: Message) -> Receipt:
        return Receipt(ref="log", digest=text_digest(to_plain_text(message, self.capabilities)))
