"""Tests of the deploy agent: set up, prompt, and commands."""

from pathlib import Path
from typing import Any

import pytest

from agents.core.tools import ToolContext
from agents.deploy import AGENT, set_up

RELEASE_TO_PRODUCTION = {
    "intent": "push_release_tag",
    "environment": "production",
    "tag": "v1.4.0",
    "commit": "",
    "replaces": "",
}
ROLL_BACK_STAGING = {"intent": "roll_back", "environment": "staging", "tag": "", "commit": "", "replaces": ""}
SHOW_ALL_RELEASES = {"intent": "current_release", "environment": "all"}


def test_set_up_returns_only_the_variables_the_tools_need(tmp_path: Path, git_environment: dict[str, str]) -> None:
    environment = set_up(tmp_path, {**git_environment, "HOME": "/home/bot", "SLACK_BOT_TOKEN": "x"})
    assert environment == {
        **git_environment,
        "HOME": "/home/bot",
        "DEPLOY_REPO": str(tmp_path / "sample" / "remote.git"),
        "DEPLOY_CACHE": environment["DEPLOY_CACHE"],
    }


def test_deploy_repo_replaces_the_sample(tmp_path: Path, git_environment: dict[str, str]) -> None:
    environment = set_up(tmp_path, {**git_environment, "DEPLOY_REPO": "git@git.example:team/app.git"})
    assert environment["DEPLOY_REPO"] == "git@git.example:team/app.git"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["{path}", "file://{path}"])
def test_remote_can_be_a_path_with_spaces_or_a_file_url(
    tmp_path: Path, git_environment: dict[str, str], form: str
) -> None:
    sample = set_up(tmp_path / "a home", git_environment)["DEPLOY_REPO"]
    environment = set_up(tmp_path / "another home", {**git_environment, "DEPLOY_REPO": form.format(path=sample)})
    tool = AGENT.get_tool("list_tags")
    assert tool is not None
    assert "v1.4.0" in tool.run(ToolContext("k", environment)).summary


def test_prefetched_tools_read_and_need_no_arguments() -> None:
    for name in AGENT.prefetch:
        tool = AGENT.get_tool(name)
        assert tool is not None
        assert tool.defaults.effect == "read"
        assert tool.validate_arguments({})


def test_instructions_name_tools_steps_and_environments() -> None:
    for word in ("push_release_tag", "roll_back", "request_human_input", "nothing_to_do", "production", "staging"):
        assert word in AGENT.instructions


def test_schemas_list_the_environments() -> None:
    for name in ("push_release_tag", "roll_back"):
        tool = AGENT.get_tool(name)
        assert tool is not None
        assert tool.arguments.model_json_schema()["properties"]["environment"]["enum"] == ["production", "staging"]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("deploy v1.4.0 to production", RELEASE_TO_PRODUCTION),
        ("Please ship v1.4.0 to prod!", RELEASE_TO_PRODUCTION),
        ("release v1.4.0 to Production.", RELEASE_TO_PRODUCTION),
        ("what is deployed", SHOW_ALL_RELEASES),
        ("What's deployed?", SHOW_ALL_RELEASES),
        ("what\N{RIGHT SINGLE QUOTATION MARK}s deployed?", SHOW_ALL_RELEASES),
        ("Is anything waiting to be deployed?", SHOW_ALL_RELEASES),
        ("what is deployed on staging?", {"intent": "current_release", "environment": "staging"}),
        ("what's deployed to prod", {"intent": "current_release", "environment": "production"}),
        ("list tags", {"intent": "list_tags", "limit": 10}),
        ("list commits", {"intent": "list_commits", "limit": 10}),
        ("list the last 3 commits", {"intent": "list_commits", "limit": 3}),
        ("roll back staging", ROLL_BACK_STAGING),
        ("rollback staging", ROLL_BACK_STAGING),
        ("roll staging back", ROLL_BACK_STAGING),
    ],
)
def test_commands_match_common_phrases(text: str, step: dict[str, Any]) -> None:
    chosen = _match_step(text)
    tool = AGENT.get_tool(chosen.pop("intent"))
    assert tool is not None
    assert {"intent": tool.name, **tool.validate_arguments(chosen)} == step


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("deploy v1.4.0", ["production"]),
        ("deploy to production", ["v1.4.0"]),
        ("deploy", ["v1.4.0", "production"]),
        ("ship it", ["v1.4.0", "production"]),
    ],
)
def test_missing_parts_are_asked_and_completed_by_the_answers(text: str, answers: list[str]) -> None:
    for answer in answers:
        assert _match_step(text)["intent"] == "request_human_input"
        text = _complete_with_answer(text, answer)
    assert _match_step(text) == RELEASE_TO_PRODUCTION


def test_question_for_the_environment_offers_choices() -> None:
    step = _match_step("deploy v1.4.0")
    assert (step["format"], step["choices"]) == ("multiple_choice", ["staging", "production"])
    assert step["question"] == "Where shall I deploy v1.4.0?"


@pytest.mark.parametrize("text", ["cancel", "Stop!", "never mind"])
def test_cancel_commands_end_the_thread(text: str) -> None:
    assert _match_step(text)["intent"] == "done_for_now"


@pytest.mark.parametrize("text", ["deploy v1.4.0 to production now and tell nobody", "hello", "list many commits", ""])
def test_other_texts_match_no_command(text: str) -> None:
    assert AGENT.commands.match(text) is None


def test_every_pattern_matches_its_own_command() -> None:
    for command in AGENT.commands.commands:
        for pattern in command.say:
            text = pattern.replace("{limit:int}", "3").replace("{tag}", "v1.4.0").replace("{environment}", "staging")
            match = AGENT.commands.match(text)
            assert match is not None
            assert match.command == command, text


def _match_step(text: str) -> dict[str, Any]:
    match = AGENT.commands.match(text)
    assert match is not None, text
    return match.step


def _complete_with_answer(text: str, answer: str) -> str:
    match = AGENT.commands.match(text)
    assert match is not None
    assert match.command.answered is not None
    return match.command.answered.format(answer=answer, **match.values)
