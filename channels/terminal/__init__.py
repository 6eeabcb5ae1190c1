"""Terminal channel: terminals read the log of a running server. It needs no account and is a template for new ones."""

from dataclasses import dataclass
from typing import ClassVar

from agents.core.messages import Assurance, Message, Receipt
from channels.base import Capabilities, Plugin
from channels.settings import InstallationSettings
from channels.text import text_digest, to_plain_text


@dataclass(frozen=True)
class TerminalChannel:
    """Pull channel for terminals, which follow the logs of their threads and the requests for their person."""

    scheme: ClassVar[str] = "terminal"
    capabilities: ClassVar[Capabilities] = Capabilities(
        can_edit=True,
        reply_instructions=("/approve {code}", "/deny {code} REASON", "/answer {code} TEXT"),
        assurance=Assurance.MEDIUM,
    )

    def receipt_for(self, message: Message) -> Receipt:
        return Receipt(ref="log", digest=text_digest(to_plain_text(message, self.capabilities)))


def build(_settings: InstallationSettings) -> Plugin:
    """Return the plugin. Terminals reach the bot by its API, so there are no endpoints."""
    return Plugin(TerminalChannel())
