"""Rights of the caller: what its token lets it do, and which threads are there for it. Every route of the API has both.

A thread or request that is not for the caller is answered like one that does not exist.
"""

from typing import Any

from fastapi import Depends

from agents.rights import may_see, unknown_request, unknown_thread
from bot.environment.api_tokens import TokenScope
from bot.web.parts import Here
from bot.web.principal import Caller


class Needs:
    """The scope a route takes; a dependency that raises MissingScope."""

    def __init__(self, scope: TokenScope) -> None:
        self.scope = scope

    async def __call__(self, caller: Caller) -> None:
        caller.require(self.scope)


def needs(scope: TokenScope) -> Any:
    """Return the dependency for a route that takes this scope."""
    return Depends(Needs(scope))


async def require_visible_thread(thread_id: str, here: Here, caller: Caller) -> None:
    """Raises ThreadNotFound when there is no such thread, or none for the caller."""
    if not may_see(await here.bot.engine.load(thread_id), caller.viewer):
        raise unknown_thread(thread_id)


async def require_visible_request(named: str, here: Here, caller: Caller) -> None:
    """Raises RequestNotFound when there is no such request, or none of a thread for the caller."""
    request = await here.bot.deciding.find(named)
    if not may_see(await here.bot.engine.load(request.thread_id), caller.viewer):
        raise unknown_request(named)


VISIBLE_THREAD = Depends(require_visible_thread)
VISIBLE_REQUEST = Depends(require_visible_request)
