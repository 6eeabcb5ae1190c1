"""The cache of thread states is bounded by bytes."""

from datetime import timedelta

from agents.core.events import MessageReceived
from agents.core.reducer import fold, reduce
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from storage.state_cache import StateCache
from tests.histories import START_TIME
from tests.storage.test_event_store import opening_events


def add_message(state: ThreadState, text: str) -> ThreadState:
    message = MessageReceived(
        at=START_TIME + timedelta(seconds=state.version), actor=person_address("a"), text=text, source=Address("web:a")
    )
    return reduce(state, message)


def thread(number: int) -> ThreadState:
    return fold(ThreadState(), opening_events(f"thr_{number}"))


def test_few_large_states_replace_many_small_ones() -> None:
    cache = StateCache(max_bytes=1_000_000)
    for number in range(50):
        cache.put(thread(number))
    assert len(cache) == 50
    for number in range(50, 54):
        cache.put(add_message(thread(number), "x" * 300_000))
    assert len(cache) == 3
    assert cache.total_bytes <= 1_000_000
    assert cache.get("thr_53") is not None
    assert cache.get("thr_1") is None


def test_characters_count_by_their_size_in_bytes() -> None:
    plain, wide = StateCache(), StateCache()
    plain.put(add_message(thread(1), "x" * 10_000))
    wide.put(add_message(thread(1), "\N{GRINNING FACE}" * 10_000))
    assert wide.total_bytes - plain.total_bytes >= 29_000


def test_latest_state_is_kept_even_if_too_large() -> None:
    cache = StateCache(max_bytes=1000)
    cache.put(add_message(thread(1), "x" * 5000))
    assert cache.get("thr_1") is not None


def test_measured_size_does_not_depend_on_the_steps() -> None:
    cache_of_all_steps, cache_of_last_step, state = StateCache(), StateCache(), thread(1)
    for number in range(100):
        state = add_message(state, "x" * number)
        cache_of_all_steps.put(state)
    cache_of_last_step.put(state)
    assert cache_of_all_steps.total_bytes == cache_of_last_step.total_bytes


def test_cleared_cache_has_size_zero() -> None:
    cache = StateCache()
    cache.put(thread(1))
    cache.clear()
    assert (cache.total_bytes, len(cache), cache.get("thr_1")) == (0, 0, None)
