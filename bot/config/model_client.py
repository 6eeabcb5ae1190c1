"""Client for the configured model, with the machine's proxy and TLS settings."""

from dataclasses import dataclass

from agents.core.completion import Completion, CompletionOutcome
from agents.llm.base import Model, ModelRequest, OnPartialReply
from agents.llm.openai.client import make_http_client
from agents.llm.openai.model import DEFAULT_MODEL, OPENAI_URL, OpenAIModel
from bot.config.settings import Settings
from channels.settings import NetworkSettings


def open_model(settings: Settings, timeout_seconds: float | None = None) -> OpenAIModel:
    """Return the model. `timeout_seconds` overrides the configured timeout.

    Raises ConfigurationError, naming the variable, when the configured proxy cannot be used.
    """
    network = NetworkSettings(settings.variables)
    http_client = make_http_client(
        network.proxy_for(settings.openai_base_url or OPENAI_URL), network.create_tls_context()
    )
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    return OpenAIModel(
        key,
        settings.openai_base_url,
        settings.openai_model or DEFAULT_MODEL,
        timeout=timeout_seconds or settings.openai_timeout,
        http_client=http_client,
    )


@dataclass(frozen=True)
class UnusableModel:
    """Fails each call with the reason why the model cannot be called, written for the operator."""

    name: str
    reason: str

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:  # noqa: ARG002 - the port's signature
        """Return the reason, as an outcome that is not retried."""
        return Completion(outcome=CompletionOutcome.BAD_REQUEST, model=self.name, detail=self.reason)


_: type[Model] = UnusableModel
