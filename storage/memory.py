"""The latest states of threads, kept in memory up to a number of bytes."""

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock

from agents.frozen import Frozen
from agents.state import ThreadState

MAX_BYTES = 64 * 2**20
_MODEL_BYTES = 1_000
"""What a pydantic model takes besides its texts; measured with tracemalloc, rounded up."""
_STATE_BYTES = 4_000


@dataclass(frozen=True)
class _Kept:
    """A state with the sizes of its parts, so that of the next state only what is new has to be measured."""

    state: ThreadState
    sizes: dict[int, int]

    @property
    def bytes(self) -> int:
        words = sum(map(len, chain.from_iterable(self.state.labels.items())))
        return _STATE_BYTES + 4 * words + sum(self.sizes.values())


@dataclass
class Memory:
    """Forgets the states that were not put there for longest once all together take more than `max_bytes`.

    The newest is always kept. May be used by several threads.
    """

    max_bytes: int = MAX_BYTES
    bytes: int = 0
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, thread_id: str) -> ThreadState | None:
        kept = self._kept.get(thread_id)
        return None if kept is None else kept.state

    def put(self, state: ThreadState) -> None:
        """Keep the state in the place of an earlier one of its thread."""
        with self._lock:
            before = self._kept.pop(state.thread_id, None)
            kept = _measured(state, before)
            self._kept[state.thread_id] = kept
            self.bytes += kept.bytes - (before.bytes if before else 0)
            while self.bytes > self.max_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self.bytes -= dropped.bytes

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self.bytes = 0


def _measured(state: ThreadState, before: _Kept | None) -> _Kept:
    """Parts that the earlier state had as well are the same objects, which it keeps alive: their names are theirs."""
    known = before.sizes if before else {}
    return _Kept(state, {id(part): known.get(id(part)) or _size(part) for part in _parts(state)})


def _parts(state: ThreadState) -> Iterator[Frozen]:
    yield from chain(state.recent, state.requests, state.outgoing, state.asked)
    if state.call is not None:
        yield state.call


def _size(part: Frozen) -> int:
    return _MODEL_BYTES + sys.getsizeof(part.model_dump_json())
