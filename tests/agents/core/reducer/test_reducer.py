"""Folding a log gives the same state with any snapshot and in any process."""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.deadlines import due_events, next_deadline
from agents.core.events import UnknownEvent
from agents.core.next_step import next_work
from agents.core.reducer import MAX_HISTORY_EVENTS, fold, reduce
from agents.core.state import ThreadState
from bot.execution.model_calls import MAX_MODEL_OUTAGE
from storage.codec import dump_state, event_from_row, event_to_row, parse_state
from storage.database.tables import EventRow
from tests.histories import PEOPLE, START_TIME, RandomHistory, find_history, random_histories, wanted_effects

thorough = settings(suppress_health_check=list(HealthCheck))


@thorough
@given(random_histories())
def test_folding_twice_gives_the_same_bytes(history: RandomHistory) -> None:
    once, again = fold(ThreadState(), history.events), fold(ThreadState(), history.events)
    assert dump_state(once) == dump_state(again) == dump_state(history.state)


@thorough
@given(random_histories(), st.data())
def test_snapshot_and_tail_give_the_same_bytes_as_the_whole_log(history: RandomHistory, data) -> None:
    cut = data.draw(st.integers(0, len(history.events)))
    snapshot = parse_state(dump_state(fold(ThreadState(), history.events[:cut])))
    assert dump_state(fold(snapshot, history.events[cut:])) == dump_state(history.state)


@thorough
@given(random_histories())
def test_events_round_trip_through_the_database_form(history: RandomHistory) -> None:
    rows = [EventRow(**event_to_row("thr_walk", seq, event)) for seq, event in enumerate(history.events, 1)]
    assert [event_from_row(row) for row in rows] == history.events


@thorough
@given(random_histories())
def test_no_effect_is_wanted_after_its_outcome(history: RandomHistory) -> None:
    wanted = {effect.key for effect in wanted_effects(history.state)}
    assert not wanted & history.completed_keys


@thorough
@given(random_histories())
def test_work_effects_and_open_requests_are_limited_to_one(history: RandomHistory) -> None:
    for state in history.states:
        assert len(next_work(state)) <= 1
        assert sum(request.status == "open" for request in state.requests) <= 1


@thorough
@given(random_histories())
def test_status_matches_the_wanted_work(history: RandomHistory) -> None:
    status, wanted = history.state.status, next_work(history.state)
    if status == "running":
        assert wanted
    if status in ("waiting_for_human", "done", "failed"):
        assert not wanted
    if status == "waiting_for_time":
        assert next_deadline(history.state) is not None


@thorough
@given(random_histories())
def test_clock_reports_each_deadline_once(history: RandomHistory) -> None:
    events = due_events(history.state, history.now, PEOPLE)
    assert due_events(fold(history.state, events), history.now, PEOPLE) == ()


@thorough
@given(random_histories())
def test_no_tool_runs_without_its_approval(history: RandomHistory) -> None:
    requests = {e.request.call_id: e.request for e in history.events if e.type == "RequestOpened" and e.request.call_id}
    statuses = {e.request_id: e.status for e in history.events if e.type == "RequestAnswered"}
    verdicts = {e.call_id: e.verdict.answer for e in history.events if e.type == "ToolCalled"}
    for event in history.events:
        if event.type == "ToolStarted" and verdicts[event.call_id] != "allow":
            assert statuses[requests[event.call_id].id] in ("approved", "answered")


@thorough
@given(random_histories(max_moves=80))
def test_history_is_bounded(history: RandomHistory) -> None:
    assert len(history.state.history) <= MAX_HISTORY_EVENTS


@thorough
@given(random_histories(max_moves=80))
def test_model_outage_is_bounded(history: RandomHistory) -> None:
    for state in history.states:
        if state.outage is not None and state.retry_at is not None:
            assert state.retry_at - state.outage.since <= MAX_MODEL_OUTAGE


def test_folding_in_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    history = find_history(lambda history: len(history.events) > 20)
    rows = [
        event_to_row("thr_walk", seq, event) | {"at": event.at.isoformat()}
        for seq, event in enumerate(history.events, 1)
    ]
    script = (
        "import json, sys; from datetime import datetime; from agents.core.reducer import fold\n"
        "from agents.core.state import ThreadState; from storage.codec import event_from_row, dump_state\n"
        "from storage.database.tables import EventRow\n"
        "rows = [EventRow(**row | {'at': datetime.fromisoformat(row['at'])}) for row in json.load(sys.stdin)]\n"
        "print(dump_state(fold(ThreadState(), map(event_from_row, rows))), end='')"
    )
    folded = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(rows),
        env={"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert folded.stdout == dump_state(history.state)


def test_event_of_a_newer_version_pauses_the_thread() -> None:
    state = ThreadState(thread_id="thr_1", needs_model=True)
    after = reduce(
        state, UnknownEvent(type="ThreadPainted", v=7, at=START_TIME, actor="system:engine", data={"colour": 1})
    )
    assert after.status == "paused"
    assert after.version == state.version + 1
    assert wanted_effects(after) == ()
