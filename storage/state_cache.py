"""Cache of the latest thread states, limited by bytes."""

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock

from agents.core.state import ThreadState
from agents.core.values import FrozenModel

MAX_CACHE_BYTES = 64 * 2**20
_MODEL_BYTES = 1_000
"""Size of a pydantic model without its texts; measured with tracemalloc, rounded up."""
_STATE_BYTES = 4_000
"""The same for a state without its parts."""
_MAX_CHARACTER_BYTES = 4


@dataclass(frozen=True)
class _CacheEntry:
    """A state with the sizes of its parts. The next state shares most parts, so only new ones are measured."""

    state: ThreadState
    part_sizes: dict[int, int]

    @property
    def size_bytes(self) -> int:
        label_length = sum(map(len, chain.from_iterable(self.state.labels.items())))
        return _STATE_BYTES + _MAX_CHARACTER_BYTES * label_length + sum(self.part_sizes.values())


@dataclass
class StateCache:
    """Cache that drops the least recently stored states when their total size exceeds `max_bytes`.

    The newest state is always kept. Thread-safe.
    """

    max_bytes: int = MAX_CACHE_BYTES
    total_bytes: int = 0
    _entries: OrderedDict[str, _CacheEntry] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, thread_id: str) -> ThreadState | None:
        entry = self._entries.get(thread_id)
        return None if entry is None else entry.state

    def put(self, state: ThreadState) -> None:
        """Store the state in place of an earlier one of its thread."""
        with self._lock:
            before = self._entries.pop(state.thread_id, None)
            entry = _measure_state(state, before)
            self._entries[state.thread_id] = entry
            self.total_bytes += entry.size_bytes - (before.size_bytes if before else 0)
            while self.total_bytes > self.max_bytes and len(self._entries) > 1:
                _, dropped = self._entries.popitem(last=False)
                self.total_bytes -= dropped.size_bytes

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.total_bytes = 0


def _measure_state(state: ThreadState, previous: _CacheEntry | None) -> _CacheEntry:
    """Measure the parts. Parts shared with the previous state are the same objects, so their `id` is still valid."""
    known = previous.part_sizes if previous else {}
    return _CacheEntry(state, {id(part): known.get(id(part)) or _measure_part(part) for part in _measured_parts(state)})


def _measured_parts(state: ThreadState) -> Iterator[FrozenModel]:
    yield from chain(state.history, state.requests, state.pending_messages, state.delegations)
    if state.current_call is not None:
        yield state.current_call


def _measure_part(part: FrozenModel) -> int:
    return _MODEL_BYTES + sys.getsizeof(part.model_dump_json())
