"""Settings from environment variables, read once at the start. No other module reads the environment."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agents.core.config_issues import ConfigIssue, to_configuration_error
from bot.config.environment import values
from bot.config.environment.env_file import load_variables
from bot.config.environment.values import MIN_TOKEN_LENGTH, ApiToken, ListenAddress, parse_api_tokens
from bot.config.messages import describe_error

DATA_DIR = Path(".handrail")
"""Directory of Handrail's own files: the SQLite database, generated secrets, the sample repository."""

MIN_SECRET_KEY_LENGTH = 32  # characters, in production
_ENV_FILE = Path(".env")
_DISABLED_WHEN_EMPTY = frozenset({"SMTP_LISTEN"})
_AGENT_VARIABLES = frozenset({"DEPLOY_REPO"})


def _parse_with(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return a validator that parses text and passes a value that is already parsed."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


class Settings(BaseSettings):
    """Settings of a process: one field per variable, with its name in lower case. Create them with `load_settings`.

    `.env.example` repeats the descriptions of the fields. `repr` shows no secrets.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # The first field, because the validators of others depend on it.
    environment: Literal["development", "production"] = Field(
        "development",
        description="development, or production, which refuses generated secrets and unauthenticated channels",
        examples=["production"],
    )
    database_url: Annotated[SecretStr, AfterValidator(values.validate_database_url)] = Field(
        SecretStr("sqlite:///.handrail/handrail.db"),
        description="the database: sqlite:///FILE for one process, postgresql://... for several",
        examples=["postgresql://user:password@host/handrail"],
    )
    handrail_config: Path | None = Field(
        None,
        description="the file with people, policy and agents; empty: handrail.toml if present",
        examples=["handrail.toml"],
    )

    host: str = Field("127.0.0.1", description="the address HTTP listens on", examples=["127.0.0.1"])
    port: int = Field(8000, ge=1, le=65535, description="the port HTTP listens on", examples=["8000"])
    public_url: Annotated[str, AfterValidator(values.validate_web_url)] = Field(
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
    handrail_api_tokens: Annotated[tuple[ApiToken, ...], _parse_with(parse_api_tokens)] = Field(
        (),
        validate_default=True,
        description="API tokens, name:token[:person[:scope+scope]], comma separated; empty: .handrail/api-token",
        examples=["ci:token::read+start,alice:token:alice with tokens as from: handrail tokens new"],
    )

    openai_api_key: SecretStr | None = Field(
        None, description="without it and without a base URL agents only understand their commands", examples=["sk-..."]
    )
    openai_base_url: Annotated[str, AfterValidator(values.validate_web_url)] | None = Field(
        None, description="base URL of any OpenAI-compatible API", examples=["https://api.openai.com/v1"]
    )
    openai_model: str | None = Field(None, description="the name of a model of that API", examples=["gpt-5-mini"])
    openai_concurrency: int = Field(
        16, ge=1, le=1000, description="the maximum number of concurrent model calls of each process", examples=["16"]
    )

    openai_timeout: float = Field(
        60.0,
        gt=0,
        le=1800,
        allow_inf_nan=False,
        description="timeout in seconds for the first token of an answer, and between tokens",
        examples=["60"],
    )

    slack_bot_token: Annotated[SecretStr, AfterValidator(values.validate_bot_token)] | None = Field(
        None, description="the bot token of the Slack app", examples=["xoxb-..."]
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="verifies that HTTP requests come from Slack",
        examples=["the signing secret of the Slack app"],
    )
    slack_app_token: Annotated[SecretStr, AfterValidator(values.validate_app_token)] | None = Field(
        None,
        description="an app-level token; if set, events come over Socket Mode instead of HTTP",
        examples=["xapp-..."],
    )
    slack_config_token: Annotated[SecretStr, AfterValidator(values.validate_config_token)] | None = Field(
        None,
        description="lets `handrail doctor` compare the Slack app with its manifest; A...:token if it needs an app id",
        examples=["xoxe.xoxp-..."],
    )
    slack_api_url: Annotated[str, AfterValidator(values.validate_api_base_url)] = Field(
        "https://slack.com/api/", description="the base URL of Slack's Web API", examples=["https://slack.com/api/"]
    )

    twilio_account_sid: Annotated[str, AfterValidator(values.validate_account_sid)] | None = Field(
        None, description="the Twilio account that sends SMS", examples=["AC and 32 hexadecimal digits"]
    )
    twilio_auth_token: Annotated[tuple[SecretStr, ...], _parse_with(values.parse_auth_tokens)] = Field(
        (), description="its token; during a rotation two, comma separated", examples=["token or new-token,old-token"]
    )
    twilio_from: Annotated[str, AfterValidator(values.validate_sender)] | None = Field(
        None, description="a phone number, a short code or the SID of a messaging service", examples=["+15550001000"]
    )
    twilio_api_url: Annotated[str, AfterValidator(values.validate_web_url)] = Field(
        "https://api.twilio.com", description="the base URL of Twilio's API", examples=["https://api.twilio.com"]
    )

    email_address: Annotated[str, AfterValidator(values.validate_mail_address)] = Field(
        "bot@localhost",
        description="the bot's email address; replies go to name+token@domain",
        examples=["bot@example.com"],
    )
    smtp_listen: Annotated[ListenAddress | None, _parse_with(values.parse_listen_address)] = Field(
        ListenAddress(host="127.0.0.1", port=2525),
        description="address to receive mail by SMTP; empty: disabled",
        examples=["127.0.0.1:2525"],
    )
    lmtp_listen: Annotated[ListenAddress | None, _parse_with(values.parse_listen_address)] = Field(
        None, description="address to receive mail by LMTP; empty: disabled", examples=["127.0.0.1:2424"]
    )
    smtp_url: Annotated[SecretStr, AfterValidator(values.validate_smtp_url)] | None = Field(
        None,
        description="server for outgoing mail, smtp:// or smtps://; empty: files .handrail/outbox/*.eml",
        examples=["smtp://user:password@host:587?starttls=required"],
    )
    email_authserv_id: str | None = Field(
        None,
        description="the server whose Authentication-Results are trusted; empty: Handrail verifies DKIM and DMARC",
        examples=["mx.example.com"],
    )

    deploy_repo: SecretStr | None = Field(  # such a URL may carry a password
        None,
        description="the repository of the deploy agent, a path or a URL for git push; empty: a sample",
        examples=["git@github.com:example/service.git"],
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], _parse_with(str.lower)] = Field(
        "info", description="debug, info, warning or error", examples=["info"]
    )
    log_format: Literal["console", "json"] | None = Field(
        None, description="console or json; empty: console on a terminal, else json", examples=["json"]
    )

    handrail_url: Annotated[str, AfterValidator(values.validate_web_url)] = Field(
        default_factory=lambda validated: f"http://127.0.0.1:{validated['port']}",
        description="the server that the command line uses; empty: http://127.0.0.1:$PORT",
        examples=["http://127.0.0.1:8000"],
    )
    handrail_api_token: SecretStr | None = Field(
        None,
        description="the API token of the command line; empty: the content of .handrail/api-token",
        examples=["one of the tokens in HANDRAIL_API_TOKENS of that server"],
    )
    no_color: Annotated[bool, _parse_with(bool)] = Field(
        False, description="any value disables colors (no-color.org)", examples=["1"]
    )

    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """Validate the variables. Raises ConfigurationError with one line for each variable that is wrong."""
        known: dict[str, Any] = {n: variables[n.upper()] for n in cls.model_fields if n.upper() in variables}
        try:
            settings = cls(**known)
        except ValidationError as error:
            issues = _config_issues(error)
        else:
            settings._variables = MappingProxyType(dict(variables))
            return settings
        # Raised outside of `except`, because pydantic's error contains all values and must not be chained.
        raise to_configuration_error(issues)

    def get_variable(self, name: str) -> SecretStr | None:
        """Return any variable by name, such as one that the configuration names (`secret_env`)."""
        return SecretStr(self._variables[name]) if name in self._variables else None

    @property
    def variables(self) -> Mapping[str, str]:
        """Return all variables, also those that are not settings of Handrail. Their values may be secrets."""
        return self._variables

    @property
    def known_variables(self) -> tuple[str, ...]:
        """Return the names of the variables that are settings, in the order of `.env.example`."""
        return tuple(name.upper() for name in type(self).model_fields)

    @property
    def agent_environment(self) -> Mapping[str, str]:
        """Return the variables that agents may read: all but Handrail's settings, and the settings of agents."""
        hidden = {name.upper() for name in type(self).model_fields} - _AGENT_VARIABLES
        return {name: value for name, value in self._variables.items() if name not in hidden}

    @property
    def is_slack_enabled(self) -> bool:
        """Return whether a variable for Slack is set."""
        return any((self.slack_bot_token, self.slack_signing_secret, self.slack_app_token))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Disable pydantic's own sources: `load_settings` merges the variables, expands none and omits empty ones."""
        return (init_settings,)

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("environment") == "production":
            if key is None:
                raise ValueError("must be set in production")
            if len(key) < MIN_SECRET_KEY_LENGTH:
                raise ValueError(f"must have at least {MIN_SECRET_KEY_LENGTH} characters in production")
        return key

    @field_validator("handrail_api_tokens")
    @classmethod
    def _check_api_tokens(cls, tokens: tuple[ApiToken, ...], info: ValidationInfo) -> tuple[ApiToken, ...]:
        if info.data.get("environment") == "production":
            if not tokens:
                raise ValueError("must be set in production")
            for position, token in enumerate(tokens, start=1):
                if len(token.secret) < MIN_TOKEN_LENGTH:
                    raise ValueError(f"entry {position} must have at least {MIN_TOKEN_LENGTH} characters in production")
        return tokens


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    env_file: Path | None = _ENV_FILE,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Load the settings of this process from `.env`, overridden by its environment, overridden by `overrides`.

    `overrides` are options of the command line. Raises ConfigurationError with one line for each variable that is
    wrong, never with its value.
    """
    sources = (
        {} if env_file is None else load_variables(env_file),
        os.environ if environ is None else environ,  # noqa: TID251 - the only place that reads it
        overrides or {},
    )
    return Settings.from_variables(
        {name: value for source in sources for name, value in _nonempty_variables(source).items()}
    )


def _nonempty_variables(variables: Mapping[str, str]) -> dict[str, str]:
    stripped = {name: value.strip() for name, value in variables.items()}
    return {name: value for name, value in stripped.items() if value or name in _DISABLED_WHEN_EMPTY}


def _config_issues(error: ValidationError) -> list[ConfigIssue]:
    errors = error.errors(include_url=False, include_input=False)
    return [_config_issue(details) for details in errors if details["type"] != "default_factory_not_called"]


def _config_issue(details: ErrorDetails) -> ConfigIssue:
    field = str(details["loc"][0])
    name, example = field.upper(), (Settings.model_fields[field].examples or [""])[0]
    return ConfigIssue(key=name, message=f"{describe_error(details)}; write it like {name}={example}")
