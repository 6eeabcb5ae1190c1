"""Rights over a thread: who may read it, speak in it and steer it. Pure; every way in asks here.

A thread is for the people who spoke in it, the people its requests ask, the conversation it belongs to, and admins.
For all others it does not exist.
"""

from agents.addresses import Address, person
from agents.errors import RequestNotFound, ThreadNotFound
from agents.frozen import Frozen
from agents.people import People
from agents.state import ThreadState


class Viewer(Frozen):
    """One person or program that asks for threads. `names` are those by which a thread may know them."""

    names: frozenset[str]
    is_admin: bool = False


def viewer_of(who: Address, people: People, *, seat: Address | None = None, is_admin: bool = False) -> Viewer:
    """Return the viewer behind an address; `seat` is the place they speak from.

    A `web:` address is the name of a token, which a program may have chosen: a person is not known by it.
    """
    names: set[str] = {who} if seat is None else {who, seat}
    known = people.get(who)
    if known is None:
        return Viewer(names=frozenset(names), is_admin=is_admin)
    names |= {person(known.key), *(address for address in known.addresses if address.scheme != "web")}
    names |= {_role("*"), *map(_role, known.roles)}
    return Viewer(names=frozenset(names), is_admin=is_admin or known.has_role("admin"))


def audience(state: ThreadState) -> frozenset[str]:
    """Return the names of those a thread is for: requesters, deciders, and where its replies go."""
    return frozenset({*state.requesters, *state.deciders, state.origin}) if state.version else frozenset()


def may_see(state: ThreadState, viewer: Viewer) -> bool:
    """Whether the viewer may read the thread, speak in it and steer it."""
    return viewer.is_admin or not viewer.names.isdisjoint(audience(state))


def unknown_thread(thread_id: str) -> ThreadNotFound:
    """Return the one error for a thread that is not there and for one that is not for the caller."""
    return ThreadNotFound(f"there is no thread {thread_id[:40]}")


def unknown_request(named: str) -> RequestNotFound:
    """Return the same for a request, by its id or code."""
    return RequestNotFound(f"there is no request {named[:40]}")


def _role(name: str) -> str:
    return f"role:{name}"
