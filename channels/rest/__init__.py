"""REST channel: programs open threads and follow their logs over HTTP."""

from dataclasses import dataclass
from typing import ClassVar

from agents.core.messages import Assurance, Message, Receipt
from channels.base import Capabilities, Plugin
from channels.settings import InstallationSettings
from channels.text import text_digest, to_plain_text


@dataclass(frozen=True)
class RestChannel:
    """Pull channel for API clients, which follow the logs of their threads."""

    scheme: ClassVar[str] = "web"
    capabilities: ClassVar[Capabilities] = Capabilities(can_edit=True, assurance=Assurance.MEDIUM)

    def receipt_for(self, message: Message) -> Receipt:
        return Receipt(ref="log", digest=text_digest(to_plain_text(message, self.capabilities)))


def build(_settings: InstallationSettings) -> Plugin:
    """Return the plugin. Programs reach the bot by its API, so there are no endpoints."""
    return Plugin(RestChannel())
