"""Rights over a thread: who may read it, speak in it and steer it. Pure; every way in asks here.

A thread is for the people who spoke in it, the people its requests ask, the conversation it belongs to, and admins.
For all others it does not exist.
"""

from agents.addresses import Address, person_address
from agents.errors import RequestNotFound, ThreadNotFound
from agents.frozen import FrozenModel
from agents.people import People
from agents.state import ThreadState


class Viewer(FrozenModel):
    """One person or program that asks for threads. `names` are those by which a thread may know them."""

    names: frozenset[str]
    is_admin: bool = False


def to_viewer(caller: Address, people: People, *, source: Address | None = None, is_admin: bool = False) -> Viewer:
    """Return the viewer behind an address; `seat` is the place they speak from.

    A `web:` address is the name of a token, which a program may have chosen: a person is not known by it.
    """
    names: set[str] = {caller} if source is None else {caller, source}
    known = people.get(caller)
    if known is None:
        return Viewer(names=frozenset(names), is_admin=is_admin)
    names |= {person_address(known.key), *(address for address in known.addresses if address.scheme != "web")}
    names |= {_role_address("*"), *map(_role_address, known.roles)}
    return Viewer(names=frozenset(names), is_admin=is_admin or known.has_role("admin"))


def audience_names(state: ThreadState) -> frozenset[str]:
    """Return the names of those a thread is for: requesters, deciders, and where its replies go."""
    return frozenset({*state.requesters, *state.deciders, state.origin}) if state.version else frozenset()


def may_view(state: ThreadState, viewer: Viewer) -> bool:
    """Whether the viewer may read the thread, speak in it and steer it."""
    return viewer.is_admin or not viewer.names.isdisjoint(audience_names(state))


def thread_not_found(thread_id: str) -> ThreadNotFound:
    """Return the one error for a thread that is not there and for one that is not for the caller."""
    return ThreadNotFound(f"there is no thread {thread_id[:40]}")


def request_not_found(id_or_code: str) -> RequestNotFound:
    """Return the same for a request, by its id or code."""
    return RequestNotFound(f"there is no request {id_or_code[:40]}")


def _role_address(name: str) -> str:
    return f"role:{name}"
