"""Secrets that are not configured: generated at the first start, in files that only their owner can read.

`Settings` requires configured secrets in production.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import SecretStr

from agents.core.errors import ConfigurationError
from agents.core.people import People
from agents.core.values import FrozenModel, person_address
from bot.config.environment import SCOPES, ApiToken, TokenScope
from bot.config.settings import DATA_DIR, Settings

SecretGenerator = Callable[[], str]
_generate: SecretGenerator = partial(secrets.token_urlsafe, 32)


def load_secret_key(
    settings: Settings, *, data_dir: Path = DATA_DIR, generate: SecretGenerator = _generate
) -> SecretStr:
    """Return the key that signs links, codes and buttons: SECRET_KEY, else the generated one.

    Raises ConfigurationError if the file of the generated one cannot be used.
    """
    return settings.secret_key or load_or_create_secret(data_dir / "secret-key", "SECRET_KEY", generate)


def load_api_tokens(
    settings: Settings, *, data_dir: Path = DATA_DIR, generate: SecretGenerator = _generate
) -> tuple[ApiToken, ...]:
    """Return the API tokens: HANDRAIL_API_TOKENS, else the generated one of `you`. Raises ConfigurationError."""
    if settings.handrail_api_tokens:
        return settings.handrail_api_tokens
    secret = load_or_create_secret(data_dir / "api-token", "HANDRAIL_API_TOKENS", generate)
    return (ApiToken(name="generated", secret=secret, person="you"),)


def load_or_create_secret(file: Path, variable: str, generate: SecretGenerator = _generate) -> SecretStr:
    """Return the secret in `file`; create the file first if it is missing. Concurrent processes agree on one secret.

    `variable` is the environment variable named in errors. Raises ConfigurationError if the file cannot be read or
    created, or is empty.
    """
    try:
        if not file.exists():
            _create_file(file, generate())
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds no text"
        raise ConfigurationError(f"{file} cannot be used ({reason}); make it readable, or set {variable}") from error
    if not secret:
        raise ConfigurationError(f"{file} is empty; delete it so that a new secret is created, or set {variable}")
    return SecretStr(secret)


def _create_file(file: Path, secret: str) -> None:
    """Write a temporary file and hard-link it: the file appears complete, and the first of several processes wins."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", encoding="ascii") as temporary_file:
        temporary_file.write(f"{secret}\n")
        temporary_file.flush()
        os.fsync(temporary_file.fileno())
        with suppress(FileExistsError):
            os.link(temporary_file.name, file)


GENERATED_NAME = "generated"
"""The name of the token in `.handrail/api-token`."""


class TokenGrant(FrozenModel):
    """Holder and scopes of one token. `person` is None for a program."""

    name: str
    person: str | None
    scopes: tuple[TokenScope, ...]

    @property
    def holder(self) -> str:
        return self.person or "a program"


def list_token_grants(settings: Settings, people: People) -> tuple[TokenGrant, ...]:
    """Return the tokens that a server with these settings accepts, in the order of the setting."""
    if not settings.handrail_api_tokens:
        return (TokenGrant(name=GENERATED_NAME, person="you", scopes=SCOPES),)
    grants = []
    for token in settings.handrail_api_tokens:
        person = people.get(person_address(token.person)) if token.person else None
        scopes = token.granted_scopes(is_admin=person is not None and person.has_role("admin"))
        grants.append(TokenGrant(name=token.name, person=token.person, scopes=scopes))
    return tuple(grants)
