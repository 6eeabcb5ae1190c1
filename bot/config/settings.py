"""Settings from environment variables. No other module reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agents.core.config_issues import ConfigIssue, to_configuration_error
from bot.config.environment import (
    MIN_TOKEN_LENGTH,
    ApiToken,
    load_variables,
    parse_api_tokens,
    parse_entries,
    validate_database_url,
)
from bot.config.messages import describe_error
from channels.registry import ChannelSettings
from channels.settings import EMPTY_DISABLES, parse_with
from channels.text import validate_web_url

DATA_DIR = Path(".handrail")
"""Directory of Handrail's own files: the SQLite database, generated secrets, the sample repository."""

_ENV_FILE = Path(".env")
_AGENT_VARIABLES = frozenset({"DEPLOY_REPO"})


class Settings(ChannelSettings, BaseSettings):
    """Settings of a process: one field per variable, with its name in lower case. Create them with `load_settings`.

    `environment`, `host`, `port`, `public_url` and `secret_key` are inherited, because channels use them too.
    `.env.example` repeats the descriptions of the fields. `repr` shows no secrets.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: Annotated[SecretStr, AfterValidator(validate_database_url)] = Field(
        SecretStr("sqlite:///.handrail/handrail.db"),
        description="the database: sqlite:///FILE for one process, postgresql://... for several",
        examples=["postgresql://user:password@host/handrail"],
    )
    handrail_config: Path | None = Field(
        None,
        description="the file with people, policy and agents; empty: handrail.toml if present",
        examples=["handrail.toml"],
    )

    handrail_agents: Annotated[tuple[str, ...], parse_with(parse_entries)] = Field(
        (),
        description="folders and packages with agents beside the built-in ones, comma separated",
        examples=["./agents,acme_agents"],
    )

    handrail_api_tokens: Annotated[tuple[ApiToken, ...], parse_with(parse_api_tokens)] = Field(
        (),
        validate_default=True,
        description="API tokens, name:token[:person[:scope+scope]], comma separated; empty: .handrail/api-token",
        examples=["ci:token::read+start,alice:token:alice with tokens as from: handrail tokens new"],
    )

    openai_api_key: SecretStr | None = Field(
        None, description="without it and without a base URL agents only understand their commands", examples=["sk-..."]
    )
    openai_base_url: Annotated[str, AfterValidator(validate_web_url)] | None = Field(
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

    deploy_repo: SecretStr | None = Field(  # such a URL may carry a password
        None,
        description="the repository of the deploy agent, a path or a URL for git push; empty: a sample",
        examples=["git@github.com:example/service.git"],
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], parse_with(str.lower)] = Field(
        "info", description="debug, info, warning or error", examples=["info"]
    )
    log_format: Literal["console", "json"] | None = Field(
        None, description="console or json; empty: console on a terminal, else json", examples=["json"]
    )

    handrail_url: Annotated[str, AfterValidator(validate_web_url)] = Field(
        default_factory=lambda validated: f"http://127.0.0.1:{validated['port']}",
        description="the server that the command line uses; empty: http://127.0.0.1:$PORT",
        examples=["http://127.0.0.1:8000"],
    )
    handrail_api_token: SecretStr | None = Field(
        None,
        description="the API token of the command line; empty: the content of .handrail/api-token",
        examples=["one of the tokens in HANDRAIL_API_TOKENS of that server"],
    )
    no_color: Annotated[bool, parse_with(bool)] = Field(
        False, description="any value disables colors (no-color.org)", examples=["1"]
    )

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
    def known_variables(self) -> tuple[str, ...]:
        """Return the names of the variables that are settings."""
        return tuple(name.upper() for name in type(self).model_fields)

    @property
    def agent_environment(self) -> Mapping[str, str]:
        """Return the variables that agents may read: all except Handrail's settings.

        The settings of agents (DEPLOY_REPO) are included.
        """
        hidden = {name.upper() for name in type(self).model_fields} - _AGENT_VARIABLES
        return {name: value for name, value in self._variables.items() if name not in hidden}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Disable pydantic's own sources.

        `load_settings` merges the variables, expands none and omits empty ones, unless an empty value disables the
        setting.
        """
        return (init_settings,)

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


_DISABLED_WHEN_EMPTY = frozenset(
    name.upper() for name, field in Settings.model_fields.items() if EMPTY_DISABLES in field.metadata
)


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
        {name: value for source in sources for name, value in _effective_variables(source).items()}
    )


def _effective_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the stripped variables. Empty ones are omitted, unless an empty value disables the setting."""
    stripped = {name: value.strip() for name, value in variables.items()}
    return {name: value for name, value in stripped.items() if value or name in _DISABLED_WHEN_EMPTY}


def _config_issues(error: ValidationError) -> list[ConfigIssue]:
    errors = error.errors(include_url=False, include_input=False)
    return [_config_issue(details) for details in errors if details["type"] != "default_factory_not_called"]


def _config_issue(details: ErrorDetails) -> ConfigIssue:
    field = str(details["loc"][0])
    name, example = field.upper(), (Settings.model_fields[field].examples or [""])[0]
    return ConfigIssue(key=name, message=f"{describe_error(details)}; write it like {name}={example}")
