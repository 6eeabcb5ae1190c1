"""Remembered states are bounded by bytes."""

from datetime import timedelta

from agents.addresses import Address, person_address
from agents.events import MessageReceived
from agents.reducer import fold, reduce
from agents.state import ThreadState
from storage.state_cache import StateCache
from tests.histories import START
from tests.storage.test_event_store import opening


def said(state: ThreadState, text: str) -> ThreadState:
    message = MessageReceived(
        at=START + timedelta(seconds=state.version), actor=person_address("a"), text=text, source=Address("web:a")
    )
    return reduce(state, message)


def thread(number: int) -> ThreadState:
    return fold(ThreadState(), opening(f"thr_{number}"))


def test_few_large_states_take_the_place_of_many_small_ones() -> None:
    memory = StateCache(max_bytes=1_000_000)
    for number in range(50):
        memory.put(thread(number))
    assert len(memory) == 50
    for number in range(50, 54):
        memory.put(said(thread(number), "x" * 300_000))
    assert len(memory) == 3
    assert memory.total_bytes <= 1_000_000
    assert memory.get("thr_53") is not None
    assert memory.get("thr_1") is None


def test_characters_count_by_the_bytes_they_take() -> None:
    plain, wide = StateCache(), StateCache()
    plain.put(said(thread(1), "x" * 10_000))
    wide.put(said(thread(1), "\N{PILE OF POO}" * 10_000))
    assert wide.total_bytes - plain.total_bytes >= 29_000


def test_the_latest_state_is_kept_however_large_it_is() -> None:
    memory = StateCache(max_bytes=1000)
    memory.put(said(thread(1), "x" * 5000))
    assert memory.get("thr_1") is not None


def test_what_a_thread_takes_is_the_same_in_one_step_or_in_many() -> None:
    step_by_step, at_once, state = StateCache(), StateCache(), thread(1)
    for number in range(100):
        state = said(state, "x" * number)
        step_by_step.put(state)
    at_once.put(state)
    assert step_by_step.total_bytes == at_once.total_bytes


def test_what_is_forgotten_takes_nothing() -> None:
    memory = StateCache()
    memory.put(thread(1))
    memory.clear()
    assert (memory.total_bytes, len(memory), memory.get("thr_1")) == (0, 0, None)
