"""API client of the commands. It knows the server's address (HANDRAIL_URL), the token and the token's person."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from typer import Option

from bot.config.environment import ApiToken
from bot.config.secrets import load_api_tokens
from bot.config.settings import DATA_DIR, Settings
from channels.terminal.client import TerminalClient

T = TypeVar("T")

PersonOption = Annotated[
    str | None, Option("--as", metavar="PERSON", help="Act for this person; requires a token with the admin scope.")
]
LimitOption = Annotated[int, Option("--limit", min=1, help="Maximum number of items, newest first.")]

DEFAULT_LIMIT = 100


def call_server(
    settings: Settings, operation: Callable[[TerminalClient], Awaitable[T]], person: str | None = None
) -> T:
    """Return the result of one operation on the server, run as the owner of the token or as `person`."""

    async def run_operation() -> T:
        async with build_client(settings, person) as server:
            return await operation(server)

    return asyncio.run(run_operation())


def build_client(settings: Settings, person: str | None = None) -> TerminalClient:
    """Return a client with HANDRAIL_API_TOKEN, or else the first token of the server in the working folder.

    It acts as `person`, or else as the owner of the token, who is known only if that server has the token.
    """
    configured_secret = settings.handrail_api_token
    tokens = _local_tokens(settings)
    token = next((token for token in tokens if configured_secret in (None, token.secret)), None)
    secret = configured_secret or (token.secret if token else None)
    owner = token.person if token else None
    return TerminalClient(settings.handrail_url, secret.get_secret_value() if secret else "", person or owner)


def _local_tokens(settings: Settings) -> tuple[ApiToken, ...]:
    """Return the tokens of the server that is configured in the working folder. A client never generates one."""
    if settings.handrail_api_tokens or (DATA_DIR / "api-token").exists():
        return load_api_tokens(settings)
    return ()
