"""Races inside a move: what happens between the look and the push."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.deploy.git import Git
from agents.deploy.releases import CallIdentity, Release
from agents.deploy.repository import opened
from agents.deploy.rollout import Move, Propose, carried_out, happened, proposed_release, proposed_roll_back
from agents.deploy.view import Tag, View
from agents.errors import ToolError
from tests.agents.deploy.operators import Operator

MINE = CallIdentity("mine", "release", "production")
VIEW = View(tags=(Tag("v1.0.0", "a" * 40, "a" * 40, "", ""), Tag("staging", "a" * 40, "a" * 40, "", "")), releases=())


def test_a_move_that_loses_the_race_for_the_environment_is_refused(
    operator: Operator, other: Operator, commits: Mapping[str, str], stands_at: Callable[[str], str]
) -> None:
    propose = _interrupted(lambda: other.does("push_release_tag", environment="production", tag="v1.3.0"))
    with opened(operator.environment) as repository, pytest.raises(ToolError, match=r"production moved from v1\.2\.0"):
        carried_out(repository, propose, MINE)
    assert stands_at("production") == commits["v1.3.0"]


def test_a_move_that_loses_the_race_for_the_notes_is_tried_again(
    operator: Operator, other: Operator, commits: Mapping[str, str], stands_at: Callable[[str], str]
) -> None:
    propose = _interrupted(lambda: other.does("push_release_tag", "theirs", environment="staging", tag="v1.4.0"))
    with opened(operator.environment) as repository:
        carried_out(repository, propose, MINE)
        keys = [release.key for release in repository.look().releases if release.commit == commits["v1.4.0"]]
    assert sorted(keys) == ["mine", "theirs"]
    assert stands_at("production") == stands_at("staging") == commits["v1.4.0"]


def test_two_machines_with_the_same_call_make_one_record(
    operator: Operator, other: Operator, commits: Mapping[str, str], note: Callable[[str], list[str]]
) -> None:
    propose = _interrupted(lambda: other.does("push_release_tag", "mine", environment="production", tag="v1.4.0"))
    with opened(operator.environment) as repository:
        _, release = carried_out(repository, propose, MINE)
    assert note(commits["v1.4.0"]) == [release.line()]


def test_a_push_that_was_overtaken_changes_nothing_at_all(
    operator: Operator, other: Operator, commits: Mapping[str, str], stands_at: Callable[[str], str]
) -> None:
    release = Release(environment="production", tag="v1.4.0", commit=commits["v1.4.0"], key="late")
    with opened(operator.environment) as repository:
        seen = repository.look()
        other.does("roll_back", "theirs", environment="staging")
        assert not repository.push(release, seen)
        assert "late" not in {release.key for release in repository.look().releases}
    assert stands_at("production") == commits["v1.2.0"]


@given(tag=st.text(), environment=st.text(), commit=st.text(), replaces=st.text())
def test_what_makes_no_sense_is_always_refused_in_words(tag: str, environment: str, commit: str, replaces: str) -> None:
    attempts: tuple[Callable[[], Move], ...] = (
        lambda: proposed_release(VIEW, environment=environment, tag=tag, commit=commit, replaces=replaces),
        lambda: proposed_release(VIEW, environment="staging", tag=f"{tag}!", commit=commit, replaces=replaces),
        lambda: proposed_roll_back(VIEW, environment="staging", tag=tag, commit=commit, replaces=replaces),
    )
    for propose in attempts:
        with pytest.raises(ToolError):
            propose()


def test_a_record_alone_is_not_a_release_that_happened() -> None:
    record = Release(environment="staging", commit="b" * 40, key="k")
    call = CallIdentity("k", "release", "staging")
    assert happened(View(tags=VIEW.tags, releases=(record,)), call) is None
    assert happened(VIEW, call) is None


@pytest.mark.parametrize(
    "forged",
    [
        {"environment": "production", "commit": "c" * 40},
        {"environment": "staging", "commit": "a" * 40},
        {"environment": "production", "commit": "a" * 40, "action": "roll_back"},
    ],
)
def test_a_forged_record_with_the_key_of_a_call_is_not_its_record(forged: dict[str, str]) -> None:
    record = Release.model_validate({"key": "k", **forged})
    standing = Tag(record.environment, record.commit, record.commit, "", "")
    call = CallIdentity("k", "release", "production", "a" * 40)
    assert happened(View(tags=(standing,), releases=(record,)), call) is None


def test_a_forged_record_does_not_keep_a_call_from_moving_the_environment(
    operator: Operator, remote: Git, commits: Mapping[str, str], stands_at: Callable[[str], str]
) -> None:
    forged = Release(environment="production", tag="v1.2.0", commit=commits["v1.2.0"], number=99, key="mine")
    remote.do("notes", "--ref=releases", "append", f"--message={forged.line()}", commits["v1.2.0"])
    prepared = operator.prepared("push_release_tag", environment="production", tag="v1.4.0")
    assert operator.checked("push_release_tag", "mine", **prepared) is None
    assert operator.run("push_release_tag", "mine", **prepared).data["commit"] == commits["v1.4.0"]
    assert stands_at("production") == commits["v1.4.0"]


def _interrupted(interruption: Callable[[], object]) -> Propose:
    """Propose v1.4.0 for production from what was seen, and let something happen before it is acted upon."""

    def propose(view: View) -> Move:
        move = proposed_release(view, environment="production", tag="v1.4.0")
        interruption()
        return move

    return propose
