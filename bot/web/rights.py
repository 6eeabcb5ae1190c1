"""Rights of the caller: what its token lets it do, and which threads are there for it. Every route of the API has both.

A thread or request that is not for the caller is answered like one that does not exist.
"""

from typing import Annotated, Any

from fastapi import Depends

from agents.requests import Request
from agents.rights import may_see, unknown_request, unknown_thread
from agents.state import ThreadState
from bot.environment.api_tokens import Scope
from bot.web.parts import Here
from bot.web.principal import Caller


class Needs:
    """The scope a route takes; a dependency that raises MissingScope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, caller: Caller) -> None:
        caller.require(self.scope)


def needs(scope: Scope) -> Any:
    """Return the dependency for a route that takes this scope."""
    return Depends(Needs(scope))


async def visible_thread(thread_id: str, here: Here, caller: Caller) -> ThreadState:
    """Return the thread as of the last commit. Raises ThreadNotFound, also when it is not for the caller."""
    state = await here.bot.engine.load(thread_id)
    if not may_see(state, caller.viewer):
        raise unknown_thread(thread_id)
    return state


async def visible_request(named: str, here: Here, caller: Caller) -> Request:
    """Return the request with this id or code. Raises RequestNotFound, also when its thread is not for the caller."""
    request = await here.bot.deciding.find(named)
    if not may_see(await here.bot.engine.load(request.thread_id), caller.viewer):
        raise unknown_request(named)
    return request


VisibleThread = Annotated[ThreadState, Depends(visible_thread)]
VisibleRequest = Annotated[Request, Depends(visible_request)]
