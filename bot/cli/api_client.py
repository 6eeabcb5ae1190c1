"""The running server, as commands reach it: HANDRAIL_URL, our token, and who we are with it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from typer import Option

from bot.environment.api_tokens import ApiToken
from bot.generated_secrets import load_api_tokens
from bot.settings import DATA_DIR, Settings
from channels.terminal.client import TerminalClient

T = TypeVar("T")

PersonOption = Annotated[
    str | None, Option("--as", metavar="PERSON", help="Speak for this person; takes a token that may.")
]
LimitOption = Annotated[int, Option("--limit", min=1, help="How many at most, the newest first.")]

DEFAULT_LIMIT = 100


def call_server(
    settings: Settings, operation: Callable[[TerminalClient], Awaitable[T]], person: str | None = None
) -> T:
    """What the server says to one question, asked as the token's owner or, where that is allowed, as `person`."""

    async def asked() -> T:
        async with build_client(settings, person) as server:
            return await operation(server)

    return asyncio.run(asked())


def build_client(settings: Settings, person: str | None = None) -> TerminalClient:
    """A client that comes with our token. Whose token it is we know only when it is one of ours."""
    known = _local_tokens(settings)
    given = settings.handrail_api_token
    token = next((one for one in known if given in (None, one.secret)), None)
    secret = given or (token.secret if token else None)
    owner = token.person if token else None
    return TerminalClient(settings.handrail_url, secret.get_secret_value() if secret else "", person or owner)


def _local_tokens(settings: Settings) -> tuple[ApiToken, ...]:
    """The tokens of a server of this folder; a client never makes one."""
    if settings.handrail_api_tokens or (DATA_DIR / "api-token").exists():
        return load_api_tokens(settings)
    return ()
