"""Tests of the suggested prompts that are derived from an agent's commands."""

from hypothesis import given
from hypothesis import strategies as st

from agents.deploy import AGENT
from channels.slack.app_home import MAX_PROMPTS, suggested_prompts
from tests.channels.slack.slack_client import slack_client
from tests.fakes.slack.slack import fake_slack

PHRASES = tuple(phrase for command in AGENT.commands.commands if (phrase := command.phrase_without_slots))


def test_deploy_agent_suggests_commands_without_slots() -> None:
    assert suggested_prompts(PHRASES) == (
        {"title": "Deploy", "message": "deploy"},
        {"title": "Roll back", "message": "roll back"},
        {"title": "What is deployed", "message": "what is deployed"},
        {"title": "List tags", "message": "list tags"},
    )


def test_every_suggestion_matches_a_command() -> None:
    assert all(AGENT.commands.match(prompt["message"]) for prompt in suggested_prompts(PHRASES))


@given(st.lists(st.text(min_size=1), max_size=8))
def test_suggestions_of_any_agent_are_within_slack_limits(phrases: list[str]) -> None:
    prompts = suggested_prompts(phrases)
    assert [prompt["message"] for prompt in prompts] == phrases[:MAX_PROMPTS]
    assert all(0 < len(prompt["title"]) <= 76 for prompt in prompts)


async def test_slack_accepts_the_suggestions() -> None:
    async with fake_slack() as slack:
        alice = slack.add_person("alice", "U0ALICE")
        channel, prompts = slack.workspace.get_direct_channel("U0ALICE").id, suggested_prompts(PHRASES)
        async with slack_client(slack) as client:
            await client.call("assistant.threads.setSuggestedPrompts", channel_id=channel, prompts=prompts)
        assert len(await alice.wait_for_prompts("List tags")) == MAX_PROMPTS
