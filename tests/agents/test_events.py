"""Events: every form ever written loads for ever, and a fact we cannot read is kept as one we cannot read."""

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
from agents.events import EVENT_VERSIONS, Event, KnownEvent, UnknownEvent
from agents.messages import Provenance
from agents.reducer import reduce
from agents.reducers.lifecycle import LifecycleEvent
from agents.reducers.messages import MessagingEvent
from agents.reducers.requests import RequestEvent
from agents.reducers.work import WorkEvent
from agents.state import ThreadState
from storage.codec import event_from_row, event_to_row
from storage.tables import EventRow

GOLDEN = Path(__file__).parent.parent / "payloads" / "events"
TYPES = sorted(EVENT_VERSIONS)
FORMS = sorted(path.stem for path in GOLDEN.glob("*.json"))
"""One for each type; a form a type has grown since is named `Type.form`."""


def golden(name: str) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return written


def row(written: dict[str, Any]) -> EventRow:
    """The golden file as the database would hold it."""
    at = datetime.fromisoformat(written["at"])
    return EventRow(**{**written, "thread_id": "thr_1", "seq": 1, "at": at, "data": json.dumps(written["data"])})


def loaded(written: dict[str, Any]) -> Event:
    return event_from_row(row(written))


# Golden files. They are history: no test writes one, and a failure here means that old logs would not load.


def test_event_types_and_golden_files_match() -> None:
    assert sorted({form.partition(".")[0] for form in FORMS}) == TYPES
    assert set(TYPES) <= set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_golden_file_loads_and_round_trips(form: str) -> None:
    written = golden(form)
    event = loaded(written)
    assert type(event).__name__ == event.type == written["type"] == form.partition(".")[0]
    back = event_to_row("thr_1", 1, event)
    assert {**back, "at": back["at"].isoformat(), "data": json.loads(back["data"])} == {
        **written,
        "thread_id": "thr_1",
        "seq": 1,
    }


@pytest.mark.parametrize("name", TYPES)
def test_every_event_has_an_actor_a_time_zone_and_a_provenance(name: str) -> None:
    event = loaded(golden(name))
    assert event.at.utcoffset() is not None
    assert event.actor.scheme
    assert event.provenance in Provenance


def test_every_event_belongs_to_exactly_one_family() -> None:
    families = [get_args(family) for family in (RequestEvent, LifecycleEvent, MessagingEvent, WorkEvent)]
    members = [kind.__name__ for family in families for kind in family]
    assert sorted(members) == TYPES == sorted(kind.__name__ for kind in get_args(KnownEvent))


# What this build cannot read


@pytest.mark.parametrize("name", TYPES)
def test_event_with_a_newer_version_is_kept_as_unknown(name: str) -> None:
    written = golden(name) | {"v": EVENT_VERSIONS[name] + 1}
    assert_kept_as_unknown(loaded(written), written)


def test_event_of_an_unknown_type_is_kept_as_unknown() -> None:
    written = golden("ThreadPaused") | {"type": "ThreadPainted", "data": {"colour": "red"}}
    assert_kept_as_unknown(loaded(written), written)


@pytest.mark.parametrize("name", sorted(set(TYPES) - {"ThreadResumed", "TimerFired"}))
def test_event_with_missing_fields_is_kept_as_unknown(name: str) -> None:
    written = golden(name) | {"data": {}}
    assert_kept_as_unknown(loaded(written), written)


@pytest.mark.parametrize("name", TYPES)
def test_event_with_an_extra_field_is_kept_as_unknown(name: str) -> None:
    data = {**golden(name)["data"], "added_by": "somebody"}
    assert_kept_as_unknown(loaded(golden(name) | {"data": data}), golden(name) | {"data": data})


@given(st.sampled_from(TYPES), st.data())
def test_event_with_a_changed_field_is_read_or_kept(name: str, data) -> None:
    written = golden(name)
    field = data.draw(st.sampled_from(sorted(written["data"])))
    strange = data.draw(st.sampled_from([None, [], {}, "\u0000", -1, 10**20, "person:"]))
    event = loaded(written | {"data": {**written["data"], field: strange}})
    assert event.type == name
    if isinstance(event, UnknownEvent):
        assert event.data == {**written["data"], field: strange}


@given(st.sampled_from(TYPES))
def test_unknown_event_pauses_any_thread(name: str) -> None:
    unknown = loaded(golden(name) | {"v": 99})
    state = reduce(ThreadState(thread_id="thr_1", needs_model=True), unknown)
    assert (state.status, state.version, state.unreadable) == ("paused", 1, name)


def assert_kept_as_unknown(event: Event, written: dict[str, Any]) -> None:
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.v, event.actor) == (written["type"], written["v"], written["actor"])
    assert (event.provenance, event.data) == (Provenance.UNVERIFIED, written["data"])


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_unknown_type_is_never_read_as_a_known_one(name: str, data: dict[str, Any]) -> None:
    event = loaded(golden("ThreadPaused") | {"type": f"New{name}", "data": data})
    assert isinstance(event, UnknownEvent)
    assert event.data == data


# mypy keeps the fold complete


PAINTED = '''

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
    """A copy of the package, to be broken."""
    source = Path(agents.__file__).parent
    return Path(shutil.copytree(source, tmp_path / "agents", ignore=shutil.ignore_patterns("__pycache__")))


def checked(core: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of the copy, by our own rules."""
    rules = Path(agents.__file__).parent.parent / "pyproject.toml"
    order = [sys.executable, "-m", "mypy", "--strict", "--config-file", rules, "--cache-dir", cache, "-p", "agents"]
    return subprocess.run(order, cwd=core.parent, capture_output=True, text=True, check=False, timeout=120)


def rewritten(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} has changed: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_mypy_accepts_the_unchanged_core(core: Path, mypy_cache: Path) -> None:
    found = checked(core, mypy_cache)
    assert found.returncode == 0, found.stdout


def test_mypy_rejects_an_event_without_a_reducer(core: Path, mypy_cache: Path) -> None:
    events = core / "events.py"
    rewritten(events, "\n\nclass UnknownEvent(EventBase):", PAINTED + "\nclass UnknownEvent(EventBase):")
    rewritten(events, "    | ThreadForked\n)", "    | ThreadForked\n    | ThreadPainted\n)")
    found = checked(core, mypy_cache)
    assert found.returncode == 1
    assert "agents/reducer.py" in found.stdout
    assert "ThreadPainted" in found.stdout


def test_mypy_rejects_an_event_without_a_case(core: Path, mypy_cache: Path) -> None:
    events, life = core / "events.py", core / "reducers" / "lifecycle.py"
    rewritten(events, "\n\nclass UnknownEvent(EventBase):", PAINTED + "\nclass UnknownEvent(EventBase):")
    rewritten(events, "    | ThreadForked\n)", "    | ThreadForked\n    | ThreadPainted\n)")
    rewritten(life, "    ThreadForked,\n", "    ThreadForked,\n    ThreadPainted,\n")
    rewritten(life, "    | BudgetExtended\n)", "    | BudgetExtended\n    | ThreadPainted\n)")
    found = checked(core, mypy_cache)
    assert found.returncode == 1
    assert "agents/reducers/lifecycle.py" in found.stdout
    assert 'Argument 1 to "assert_never" has incompatible type "ThreadPainted"' in found.stdout


def test_mypy_rejects_a_history_event_without_prompt_text(core: Path, mypy_cache: Path) -> None:
    rewritten(core / "state.py", "    | ThreadForked,\n", "    | ThreadForked\n    | ThreadPaused,\n")
    rewritten(core / "state.py", "    ThreadForked,\n", "    ThreadForked,\n    ThreadPaused,\n")
    found = checked(core, mypy_cache)
    assert found.returncode == 1
    assert "agents/prompt.py" in found.stdout
    assert 'Argument 1 to "assert_never" has incompatible type "ThreadPaused"' in found.stdout
