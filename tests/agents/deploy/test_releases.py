"""Tests of release records: their line in a note, and the trail of commits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.deploy.releases import Release, commit_trail, parse_releases, releases_for
from agents.deploy.snapshot import RepositorySnapshot, Tag

IDS = st.sampled_from([letter * 40 for letter in "abcde"])
RECORDS = st.builds(
    Release,
    number=st.integers(0, 9),
    environment=st.sampled_from(["production", "staging"]),
    tag=st.sampled_from(["v1.0.0", "v1.1.0", ""]),
    commit=IDS,
    previous=st.one_of(IDS, st.just("")),
    key=st.text(alphabet=st.characters(codec="utf-8")),
)


@given(record=RECORDS)
def test_record_round_trips_as_one_line_of_json(record: Release) -> None:
    line = record.to_line()
    assert line.isascii()
    assert "\n" not in line
    assert parse_releases(f"noise\n{line}\n") == (record,)


@given(text=st.text())
def test_any_text_can_be_parsed_as_notes(text: str) -> None:
    assert parse_releases(text) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": "--force"},
        {"commit": "abc"},
        {"tag": "-x"},
        {"previous": "HEAD"},
        {"number": "many"},
        {"action": "x"},
    ],
)
def test_invalid_records_are_ignored(changes: dict[str, str]) -> None:
    record = {"environment": "production", "commit": "a" * 40, "tag": "v1.0.0"}
    assert parse_releases(json.dumps(record))
    assert parse_releases(json.dumps(record | changes)) == ()


def test_record_needs_only_environment_and_commit() -> None:
    (release,) = parse_releases('{"environment": "production", "commit": "%s", "note": "by Ines"}' % ("a" * 40))
    assert (release.number, release.action, release.tag) == (0, "release", "")


@given(moves=st.lists(st.one_of(IDS, st.none()), max_size=12), start=st.one_of(IDS, st.just("")))
def test_commit_trail_is_a_stack_of_releases(moves: list[str | None], start: str) -> None:
    """A release pushes a commit onto the stack; a rollback (None) pops one."""
    records: tuple[Release, ...] = ()
    stack = [start] if start else []
    for move in moves:
        now = stack[-1] if stack else ""
        if move is None and len(stack) < 2:
            continue
        stack = _push_commit(stack, move) if move else stack[:-1]
        action = "release" if move else "roll_back"
        record = {"number": len(records) + 1, "action": action, "environment": "staging", "commit": stack[-1]}
        records = (*records, Release.model_validate({**record, "previous": now}))
    assert _snapshot_at(records, stack[-1] if stack else "").previous_commit("staging") == (
        stack[-2] if len(stack) > 1 else ""
    )


@given(records=st.lists(RECORDS, max_size=12), now=IDS)
def test_previous_commit_differs_from_the_current_one(records: list[Release], now: str) -> None:
    assert _snapshot_at(tuple(records), now).previous_commit("production") != now


def test_records_are_sorted_by_number() -> None:
    late, early = (Release(number=n, environment="staging", commit=c * 40) for n, c in ((2, "b"), (1, "a")))
    assert releases_for((late, early), "staging") == (early, late)
    assert commit_trail(releases_for((late, early), "staging")) == (early.commit, late.commit)


def _push_commit(stack: list[str], commit: str) -> list[str]:
    return stack if stack[-1:] == [commit] else [*stack, commit]


def _snapshot_at(records: tuple[Release, ...], now: str) -> RepositorySnapshot:
    return RepositorySnapshot(
        tags=(Tag("staging", now, now, "", ""), Tag("production", now, now, "", "")), releases=records
    )
