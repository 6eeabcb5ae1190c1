"""Tests of the validation of environments, tag names and commit ids."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from agents.core.errors import ToolError
from agents.deploy.git import Git
from agents.deploy.releases import (
    ENVIRONMENTS,
    TAG_NAME,
    normalize_environment,
    parse_commit_prefix,
    parse_environment,
    parse_replaced_commit,
    parse_tag_name,
    quote,
)

ODD_NAMES = st.text(alphabet=st.sampled_from("v1.-_/@{}~^:?*[\\+#=%, lock\t\n\x00é"), max_size=12)


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory, git_environment: dict[str, str]) -> Git:
    return Git(tmp_path_factory.mktemp("names") / "repo.git", environment=git_environment)


@given(name=ODD_NAMES)
@example(name="v1.lock/x")
@example(name="@")
@example(name="v1/.x")
@settings(deadline=None)
def test_git_accepts_every_accepted_tag_name(git: Git, name: str) -> None:
    if TAG_NAME.match(name):
        assert git.run_unchecked("check-ref-format", f"refs/tags/{name}").exit_code == 0


@given(name=st.one_of(ODD_NAMES, st.text()))
def test_accepted_tag_names_cannot_look_like_options(name: str) -> None:
    if TAG_NAME.match(name):
        assert not name.startswith("-")
        assert name.isascii()
        assert name.isprintable()
        assert " " not in name


@pytest.mark.parametrize(
    "name", ["v1.4.0", "release/2026-11", "v2.0.0-rc.1+build.5", "@scope/app@1.0.0", "1", "a" * 200]
)
def test_usual_tag_names_are_accepted(name: str) -> None:
    assert parse_tag_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-x", "--force", "v1..2", "a b", "a//b", "/a", "a/", "a.", "a.lock", ".a", "a/.b", "a@{1}", "a\n", "a" * 201],
)
def test_tag_names_that_git_rejects_or_misreads_are_rejected(name: str) -> None:
    with pytest.raises(ToolError, match="cannot be the name of a tag"):
        parse_tag_name(name)


@given(text=st.text())
def test_commit_is_hex_digits_or_empty(text: str) -> None:
    try:
        commit = parse_commit_prefix(text)
    except ToolError:
        return
    assert set(commit) <= set("0123456789abcdef")


@pytest.mark.parametrize("text", ["HEAD", "123", "v1.4.0", "main", "abcg", "a" * 65, "--all"])
def test_commit_names_that_are_not_ids_are_rejected(text: str) -> None:
    with pytest.raises(ToolError, match="is not a commit id"):
        parse_commit_prefix(text)


def test_replaced_commit_is_parsed_from_prepared_arguments() -> None:
    commit = "ab" * 20
    assert parse_replaced_commit(f"v1.4.0 {commit}") == commit
    assert parse_replaced_commit(commit) == commit
    assert (parse_replaced_commit("nothing"), parse_replaced_commit("")) == ("nothing", "")


def test_replaced_commit_cannot_be_abbreviated() -> None:
    with pytest.raises(ToolError, match="leave `replaces` empty"):
        parse_replaced_commit("v1.4.0 abababab")


@given(text=st.text())
def test_unknown_environments_are_rejected(text: str) -> None:
    assume(text not in ENVIRONMENTS)
    with pytest.raises(ToolError, match="choose production or staging"):
        parse_environment(text)


@given(text=st.text())
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalize_environment(normalize_environment(text)) == normalize_environment(text)


@given(text=st.text())
def test_quoted_text_is_short_and_printable_ascii(text: str) -> None:
    assert quote(text).isprintable()
    assert quote(text).isascii()
    assert len(quote(text)) < 700
