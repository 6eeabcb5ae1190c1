"""Rights of the caller: what its token lets it do, and which threads are there for it. Every route of the API has both.

A thread or request that is not for the caller is answered like one that does not exist.
"""

from typing import Any

from fastapi import Depends

from agents.rights import may_view, request_not_found, thread_not_found
from bot.environment.api_tokens import TokenScope
from bot.web.context import Context
from bot.web.principal import Caller


class RequireScope:
    """The scope a route takes; a dependency that raises MissingScope."""

    def __init__(self, scope: TokenScope) -> None:
        self.scope = scope

    async def __call__(self, caller: Caller) -> None:
        caller.require_scope(self.scope)


def require_scope(scope: TokenScope) -> Any:
    """Return the dependency for a route that takes this scope."""
    return Depends(RequireScope(scope))


async def require_visible_thread(thread_id: str, context: Context, caller: Caller) -> None:
    """Raises ThreadNotFound when there is no such thread, or none for the caller."""
    if not may_view(await context.bot.engine.load(thread_id), caller.viewer):
        raise thread_not_found(thread_id)


async def require_visible_request(id_or_code: str, context: Context, caller: Caller) -> None:
    """Raises RequestNotFound when there is no such request, or none of a thread for the caller."""
    request = await context.bot.approvals.find_request(id_or_code)
    if not may_view(await context.bot.engine.load(request.thread_id), caller.viewer):
        raise request_not_found(id_or_code)


VISIBLE_THREAD = Depends(require_visible_thread)
VISIBLE_REQUEST = Depends(require_visible_request)
