"""Client for the configured model, with the machine's proxy and TLS settings."""

from agents.openai_client import make_http_client
from agents.openai_model import DEFAULT_MODEL, OPENAI_URL, OpenAIModel
from bot.environment.network import NetworkSettings
from bot.settings import Settings


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
