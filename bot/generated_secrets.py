"""Secrets nobody set: made at first start in files only their owner can read; Settings refuses them in production."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import SecretStr

from agents.errors import Misconfigured
from bot.environment.api_tokens import ApiToken
from bot.settings import FOLDER, Settings

Draw = Callable[[], str]
_draw: Draw = partial(secrets.token_urlsafe, 32)


def secret_key(settings: Settings, *, folder: Path = FOLDER, draw: Draw = _draw) -> SecretStr:
    """The key that signs links and codes: SECRET_KEY, else the generated one. Raises Misconfigured."""
    return settings.secret_key or generated(folder / "secret-key", "SECRET_KEY", draw)


def api_tokens(settings: Settings, *, folder: Path = FOLDER, draw: Draw = _draw) -> tuple[ApiToken, ...]:
    """Who may use the API: HANDRAIL_API_TOKENS, else the generated token of the person `you`. Raises Misconfigured."""
    if settings.handrail_api_tokens:
        return settings.handrail_api_tokens
    secret = generated(folder / "api-token", "HANDRAIL_API_TOKENS", draw)
    return (ApiToken(name="generated", secret=secret, person="you"),)


def generated(file: Path, variable: str, draw: Draw = _draw) -> SecretStr:
    """The secret in `file`, made now if there is none; processes that start together agree on one.

    `variable` is what may be set instead. Raises Misconfigured when the file cannot be read or made, or holds nothing.
    """
    try:
        if not file.exists():
            _make(file, draw())
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it holds no text"
        raise Misconfigured(f"{file} cannot be used ({told}); make it readable, or set {variable}") from error
    if not secret:
        raise Misconfigured(f"{file} is empty; delete it so that a new secret is made, or set {variable}")
    return SecretStr(secret)


def _make(file: Path, secret: str) -> None:
    """Writes beside and links into place: the file appears whole, and the first of several processes wins."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", encoding="ascii") as draft:
        draft.write(f"{secret}\n")
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            os.link(draft.name, file)
