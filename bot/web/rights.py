"""Rights of the caller: the scope of its token and the threads it may see. Every API route checks both.

A thread or request that the caller may not see gets the same response as one that does not exist.
"""

from typing import Any

from fastapi import Depends

from agents.rights import may_view, request_not_found, thread_not_found
from bot.environment.api_tokens import TokenScope
from bot.web.context import Context
from bot.web.principal import Caller


class RequireScope:
    """Dependency that raises MissingScope when the caller's token lacks a scope."""

    def __init__(self, scope: TokenScope) -> None:
        self.scope = scope

    async def __call__(self, caller: Caller) -> None:
        caller.require_scope(self.scope)


def require_scope(scope: TokenScope) -> Any:
    """Return the dependency for a route that requires this scope."""
    return Depends(RequireScope(scope))


async def require_visible_thread(thread_id: str, context: Context, caller: Caller) -> None:
    """Raise ThreadNotFound when the thread does not exist or the caller may not see it."""
    if not may_view(await context.bot.engine.load(thread_id), caller.viewer):
        raise thread_not_found(thread_id)


async def require_visible_request(id_or_code: str, context: Context, caller: Caller) -> None:
    """Raise RequestNotFound when the request does not exist or the caller may not see its thread."""
    request = await context.bot.approvals.find_request(id_or_code)
    if not may_view(await context.bot.engine.load(request.thread_id), caller.viewer):
        raise request_not_found(id_or_code)


VISIBLE_THREAD = Depends(require_visible_thread)
VISIBLE_REQUEST = Depends(require_visible_request)
