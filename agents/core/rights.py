"""Access rights: who may read a thread, write in it and control it. All channels and the API use these functions.

A thread is accessible to people who wrote in it, people whom its requests ask, its conversation, and admins. For all
others it is reported as not found.
"""

from agents.core.errors import RequestNotFound, ThreadNotFound
from agents.core.people import People
from agents.core.state import ThreadState
from agents.core.values import Address, FrozenModel, person_address


class Viewer(FrozenModel):
    """A person or program that requests access. `names` are all addresses, also `role:NAME`, that stand for it."""

    names: frozenset[str]
    is_admin: bool = False


def to_viewer(caller: Address, people: People, *, source: Address | None = None, is_admin: bool = False) -> Viewer:
    """Return the viewer for an address. `source` is the conversation that the caller writes from.

    A `web:` address is the name of an API token. Programs may choose such names, so they do not identify a person.
    """
    names: set[str] = {caller} if source is None else {caller, source}
    person = people.get(caller)
    if person is None:
        return Viewer(names=frozenset(names), is_admin=is_admin)
    names |= {person_address(person.key), *(address for address in person.addresses if address.scheme != "web")}
    names |= {_role_address("*"), *map(_role_address, person.roles)}
    return Viewer(names=frozenset(names), is_admin=is_admin or person.has_role("admin"))


def audience_addresses(state: ThreadState) -> frozenset[str]:
    """Return the addresses that may access a thread: requesters, deciders and its conversation (`origin`)."""
    return (
        frozenset({*state.requesters, *state.deciders, state.origin}) if state.version else frozenset()
    )  # no event, no thread


def may_view(state: ThreadState, viewer: Viewer) -> bool:
    """Return whether the viewer may read the thread, write in it and control it."""
    return viewer.is_admin or not viewer.names.isdisjoint(audience_addresses(state))


def thread_not_found(thread_id: str) -> ThreadNotFound:
    """Return the error for a thread that does not exist or that the caller may not access."""
    return ThreadNotFound(f"there is no thread {thread_id[:40]}")


def request_not_found(id_or_code: str) -> RequestNotFound:
    """Return the same error for a request, given its id or code."""
    return RequestNotFound(f"there is no request {id_or_code[:40]}")


def _role_address(name: str) -> str:
    return f"role:{name}"
