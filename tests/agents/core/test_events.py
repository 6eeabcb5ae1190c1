"""All released forms of events can be loaded, and unreadable events are kept as unknown events."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agents
from agents.core.events import Event, KnownEvent, UnknownEvent
from agents.core.messages import Provenance
from agents.core.reducer import reduce
from agents.core.reducer.lifecycle import LifecycleEvent
from agents.core.reducer.messages import MessagingEvent
from agents.core.reducer.requests import RequestEvent
from agents.core.reducer.work import WorkEvent
from agents.core.state import ThreadState
from storage.codec import EVENT_SCHEMA_VERSIONS, event_from_row, event_to_row
from storage.database.tables import EventRow
from tests.slow_cases import slow

GOLDEN_FOLDER = Path(__file__).parents[2] / "payloads" / "events"
EVENT_TYPES = sorted(EVENT_SCHEMA_VERSIONS)
EVENT_FORMS = sorted(path.stem for path in GOLDEN_FOLDER.glob("*.json"))
"""One file for each type. A later form of a type is named `Type.form`."""


def read_golden_file(name: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((GOLDEN_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return stored


def row(stored: dict[str, Any]) -> EventRow:
    """Return the golden file as a database row."""
    at = datetime.fromisoformat(stored["at"])
    return EventRow(**{**stored, "thread_id": "thr_1", "seq": 1, "at": at, "data": json.dumps(stored["data"])})


def load(stored: dict[str, Any]) -> Event:
    return event_from_row(row(stored))


# Golden files. They are never rewritten: a failure here means that old logs cannot be loaded.


def test_event_types_and_golden_files_match() -> None:
    assert sorted({form.partition(".")[0] for form in EVENT_FORMS}) == EVENT_TYPES
    assert set(EVENT_TYPES) <= set(EVENT_FORMS)


@pytest.mark.parametrize("form", EVENT_FORMS)
def test_golden_file_loads_and_round_trips(form: str) -> None:
    stored = read_golden_file(form)
    event = load(stored)
    assert type(event).__name__ == event.type == stored["type"] == form.partition(".")[0]
    back = event_to_row("thr_1", 1, event)
    assert {**back, "at": back["at"].isoformat(), "data": json.loads(back["data"])} == {
        **stored,
        "thread_id": "thr_1",
        "seq": 1,
    }


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_has_an_actor_a_time_zone_and_a_provenance(name: str) -> None:
    event = load(read_golden_file(name))
    assert event.at.utcoffset() is not None
    assert event.actor.scheme
    assert event.provenance in Provenance


def test_every_event_belongs_to_exactly_one_family() -> None:
    families = [get_args(family) for family in (RequestEvent, LifecycleEvent, MessagingEvent, WorkEvent)]
    members = [kind.__name__ for family in families for kind in family]
    assert sorted(members) == EVENT_TYPES == sorted(kind.__name__ for kind in get_args(KnownEvent))


# Unknown events


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_event_with_a_newer_version_is_kept_as_unknown(name: str) -> None:
    stored = read_golden_file(name) | {"v": EVENT_SCHEMA_VERSIONS[name] + 1}
    assert_kept_as_unknown(load(stored), stored)


def test_event_of_an_unknown_type_is_kept_as_unknown() -> None:
    stored = read_golden_file("ThreadPaused") | {"type": "ThreadPainted", "data": {"colour": "red"}}
    assert_kept_as_unknown(load(stored), stored)


@pytest.mark.parametrize("name", sorted(set(EVENT_TYPES) - {"ThreadResumed", "TimerFired"}))
def test_event_with_missing_fields_is_kept_as_unknown(name: str) -> None:
    stored = read_golden_file(name) | {"data": {}}
    assert_kept_as_unknown(load(stored), stored)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_event_with_an_extra_field_is_kept_as_unknown(name: str) -> None:
    data = {**read_golden_file(name)["data"], "added_by": "somebody"}
    assert_kept_as_unknown(load(read_golden_file(name) | {"data": data}), read_golden_file(name) | {"data": data})


@given(st.sampled_from(EVENT_TYPES), st.data())
def test_event_with_a_changed_field_is_read_or_kept(name: str, data) -> None:
    stored = read_golden_file(name)
    field = data.draw(st.sampled_from(sorted(stored["data"])))
    value = data.draw(st.sampled_from([None, [], {}, "\u0000", -1, 10**20, "person:"]))
    event = load(stored | {"data": {**stored["data"], field: value}})
    assert event.type == name
    if isinstance(event, UnknownEvent):
        assert event.data == {**stored["data"], field: value}


@given(st.sampled_from(EVENT_TYPES))
def test_unknown_event_pauses_any_thread(name: str) -> None:
    unknown = load(read_golden_file(name) | {"v": 99})
    state = reduce(ThreadState(thread_id="thr_1", needs_model=True), unknown)
    assert (state.status, state.version, state.unreadable) == ("paused", 1, name)


def assert_kept_as_unknown(event: Event, stored: dict[str, Any]) -> None:
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.v, event.actor) == (stored["type"], stored["v"], stored["actor"])
    assert (event.provenance, event.data) == (Provenance.UNVERIFIED, stored["data"])


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_unknown_type_is_never_read_as_a_known_one(name: str, data: dict[str, Any]) -> None:
    event = load(read_golden_file("ThreadPaused") | {"type": f"New{name}", "data": data})
    assert isinstance(event, UnknownEvent)
    assert event.data == data


# mypy checks that all events are handled


NEW_EVENT_CLASS = '''

class ThreadPainted(EventBase):
    """The thread has another colour."""

    type: Literal["ThreadPainted"] = "ThreadPainted"
    colour: str

'''


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy_cache")


@pytest.fixture
def core(tmp_path: Path) -> Path:
    """Return a copy of the package that a test may break."""
    source = Path(agents.__file__).parent
    return Path(shutil.copytree(source, tmp_path / "agents", ignore=shutil.ignore_patterns("__pycache__"))) / "core"


def run_mypy(core: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run mypy on the copy with the configuration of this repository."""
    config_file = Path(agents.__file__).parent.parent / "pyproject.toml"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        config_file,
        "--cache-dir",
        cache,
        "-p",
        "agents",
    ]
    return subprocess.run(command, cwd=core.parent.parent, capture_output=True, text=True, check=False, timeout=120)


def replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} has changed: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


@slow  # `make check` runs mypy on the core
def test_mypy_accepts_the_unchanged_core(core: Path, mypy_cache: Path) -> None:
    result = run_mypy(core, mypy_cache)
    assert result.returncode == 0, result.stdout


@slow
def test_mypy_rejects_an_event_without_a_reducer(core: Path, mypy_cache: Path) -> None:
    events = core / "events.py"
    replace_once(events, "\n\nclass UnknownEvent(EventBase):", NEW_EVENT_CLASS + "\nclass UnknownEvent(EventBase):")
    replace_once(events, " | ThreadForked\n)", " | ThreadForked | ThreadPainted\n)")
    result = run_mypy(core, mypy_cache)
    assert result.returncode == 1
    assert "agents/core/reducer/__init__.py" in result.stdout
    assert "ThreadPainted" in result.stdout


@slow
def test_mypy_rejects_an_event_without_a_case(core: Path, mypy_cache: Path) -> None:
    events, lifecycle = core / "events.py", core / "reducer" / "lifecycle.py"
    replace_once(events, "\n\nclass UnknownEvent(EventBase):", NEW_EVENT_CLASS + "\nclass UnknownEvent(EventBase):")
    replace_once(events, " | ThreadForked\n)", " | ThreadForked | ThreadPainted\n)")
    replace_once(lifecycle, "    ThreadForked,\n", "    ThreadForked,\n    ThreadPainted,\n")
    replace_once(lifecycle, "    | BudgetExtended\n)", "    | BudgetExtended\n    | ThreadPainted\n)")
    result = run_mypy(core, mypy_cache)
    assert result.returncode == 1
    assert "agents/core/reducer/lifecycle.py" in result.stdout
    assert 'Argument 1 to "assert_never" has incompatible type "ThreadPainted"' in result.stdout


@slow
def test_mypy_rejects_a_history_event_without_prompt_text(core: Path, mypy_cache: Path) -> None:
    replace_once(core / "state.py", "    | ThreadForked,\n", "    | ThreadForked\n    | ThreadPaused,\n")
    replace_once(core / "state.py", "    ThreadForked,\n", "    ThreadForked,\n    ThreadPaused,\n")
    result = run_mypy(core, mypy_cache)
    assert result.returncode == 1
    assert "agents/llm/prompt.py" in result.stdout
    assert 'Argument 1 to "assert_never" has incompatible type "ThreadPaused"' in result.stdout
