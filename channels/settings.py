"""Settings of the installation that every channel may read besides its own."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from agents.core.errors import ConfigurationError
from channels.network import NetworkSettings
from channels.urls import validate_web_url

MIN_SECRET_KEY_LENGTH = 32  # characters, in production

EMPTY_DISABLES = "an empty value disables"
"""Metadata of a setting that an empty variable disables; all other empty variables count as unset."""


def parse_with(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return a validator that parses text and passes a value that is already parsed."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


class InstallationSettings(BaseModel):
    """Base of the settings of each channel: one field per variable, with its name in lower case."""

    # The first field, because the validators of others depend on it.
    environment: Literal["development", "production"] = Field(
        "development",
        description="development, or production, which refuses generated secrets and unauthenticated channels",
        examples=["production"],
    )
    host: str = Field("127.0.0.1", description="the address HTTP listens on", examples=["127.0.0.1"])
    port: int = Field(8000, ge=1, le=65535, description="the port HTTP listens on", examples=["8000"])
    public_url: Annotated[str, AfterValidator(validate_web_url)] = Field(
        default_factory=lambda validated: f"http://localhost:{validated['port']}",
        description="the public URL of this server, for links and signatures; empty: http://localhost:$PORT",
        examples=["https://handrail.example.com"],
    )
    secret_key: SecretStr | None = Field(
        None,
        validate_default=True,
        description="signs links and codes; empty: generated at the first start in .handrail/secret-key",
        examples=["at-least-32-random-characters, as from: openssl rand -hex 32"],
    )

    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return all variables, also those that are not settings of Handrail. Their values may be secrets."""
        return self._variables

    @property
    def network(self) -> NetworkSettings:
        """Return the proxies and certificates of the machine."""
        return NetworkSettings(self._variables)

    @property
    def signing_key(self) -> bytes:
        """Return the key that signs links, codes and buttons. Raises ConfigurationError without a secret key."""
        if self.secret_key is None:
            raise ConfigurationError("SECRET_KEY is missing: it signs links, codes and buttons")
        return self.secret_key.get_secret_value().encode()

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("environment") == "production":
            if key is None:
                raise ValueError("must be set in production")
            if len(key) < MIN_SECRET_KEY_LENGTH:
                raise ValueError(f"must have at least {MIN_SECRET_KEY_LENGTH} characters in production")
        return key
