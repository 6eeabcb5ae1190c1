"""kill -9 between what happens on Slack and what is written down of it: nothing is lost, nothing is said twice."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.process_pool import wait_until
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import SHORT_HEARTBEAT_TIMEOUT_SECONDS, CrashScenario, multi_process
from tests.crashes.slack_scenario import OPS, SlackScenario, slack_scenario
from tests.crashes.snapshot import SystemSnapshot
from tests.fakes.slack.actor import InteractionFailed


@dataclass(frozen=True)
class SlackCrashCase:
    """Where the bot dies, and since which step it is on its way there."""

    since: str
    kill_point: str
    occurrence: int = 1
    has_socket_mode: bool = True
    """Whether one gets there over Socket Mode too."""

    def __str__(self) -> str:
        return f"{self.since}, {self.kill_point}{f' again ({self.occurrence})' if self.occurrence > 1 else ''}"


def _asking() -> Iterator[SlackCrashCase]:
    yield SlackCrashCase("nothing", "request read", has_socket_mode=False)
    yield SlackCrashCase("nothing", "auth.test called")
    yield SlackCrashCase("nothing", "before the commit of ThreadStarted")
    yield SlackCrashCase("nothing", "after the commit of ThreadStarted")
    yield SlackCrashCase("nothing", "response ready", has_socket_mode=False)
    yield SlackCrashCase("nothing", "chat.postMessage called")
    yield SlackCrashCase("nothing", "chat.postMessage done")
    yield SlackCrashCase("nothing", "before the commit of RequestShown")
    yield SlackCrashCase("nothing", "after the commit of RequestShown")


def _deciding() -> Iterator[SlackCrashCase]:
    yield SlackCrashCase("shown", "request read", has_socket_mode=False)
    yield SlackCrashCase("shown", "before the commit of RequestAnswered")
    yield SlackCrashCase("shown", "after the commit of RequestAnswered")
    yield SlackCrashCase("shown", "response ready", has_socket_mode=False)
    yield SlackCrashCase("shown", "chat.update called")
    yield SlackCrashCase("shown", "chat.update done")
    yield SlackCrashCase("shown", "before the commit of MessageSent")
    yield SlackCrashCase("shown", "after the commit of MessageSent")
    yield SlackCrashCase("shown", "chat.postMessage called")
    yield SlackCrashCase("shown", "chat.postMessage done")
    yield SlackCrashCase("shown", "before the commit of MessageSent", 2)
    yield SlackCrashCase("shown", "after the commit of MessageSent", 2)


DEATHS = (*_asking(), *_deciding())


@pytest.mark.parametrize("death", DEATHS, ids=str)
async def test_kill_loses_and_repeats_no_message(death: SlackCrashCase, scenario: CrashScenario) -> None:
    """On SQLite over HTTP and on PostgreSQL over Socket Mode, where one gets there."""
    async with slack_scenario(scenario, is_socket_mode=death.has_socket_mode and scenario.has_job_queue) as team:
        async with asyncio.TaskGroup() as dying:
            await opens(team, death, "nothing", dying)
            root = await team.alice.mention_bot("ship 1", channel=OPS)
            card = await team.bob.wait_for_card(root, approval="ship")
            await opens(team, death, "shown", dying)
            await card.click_until_accepted("Approve", actor=team.bob)
            await card.wait_until_closed("approved by Bob")
            await team.alice.wait_for_reply(root, "did ship 1")
        await is_done_once(team)


async def opens(team: SlackScenario, death: SlackCrashCase, step: str, dying: asyncio.TaskGroup) -> None:
    """From this step on the bot is on its way to its death, if it is the step; then it is opened again."""
    if step == death.since:
        await team.restart(death.kill_point, death.occurrence)
        dying.create_task(dies_and_is_opened(team, death))
    elif step == "nothing":
        await team.start()


async def dies_and_is_opened(team: SlackScenario, death: SlackCrashCase) -> None:
    await team.wait_for_kill(death.kill_point, death.occurrence)
    await team.start()


async def is_done_once(team: SlackScenario, said: int = 2) -> SystemSnapshot:
    """One thread, one decision that counted, a deed under one name, and on Slack each message once."""
    await team.stop_when_idle()
    team.slack.ignore_ephemeral_messages()
    snapshot = team.take_snapshot()
    assert find_violations(snapshot, is_settled=True) == []
    assert [row.status for row in snapshot.threads.values()] == ["done"]
    assert len({(deed["tool"], deed["key"]) for deed in snapshot.side_effects}) == 1
    assert sum(event.data["answer"]["counted"] for event in snapshot.of_type("RequestAnswered")) == 1
    assert len(snapshot.sent_messages) == said
    return snapshot


@pytest.mark.parametrize("place", ["conversations.replies called", "conversations.replies done"])
async def test_lookup_of_sent_messages_is_repeated_after_a_kill(place: str, scenario: CrashScenario) -> None:
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start("chat.postMessage done")
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        await team.wait_for_kill("chat.postMessage done")
        await team.start(place)
        await team.wait_for_kill(place)
        await team.start()
        card = await team.bob.wait_for_card(root, approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 1")
        await is_done_once(team)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_rejected_click_is_explained_on_the_next_click(when: str, scenario: CrashScenario) -> None:
    """After the commit the note is lost with the process: Slack has no interaction brought twice."""
    place = f"{when} the commit of RequestAnswered"
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start()
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        card = await team.bob.wait_for_card(root, approval="ship")
        await team.restart(place)
        with pytest.raises(InteractionFailed):
            await card.click("Approve", actor=team.alice)
        await team.wait_for_kill(place)
        await team.start()
        await card.click_until_accepted("Approve", actor=team.alice)
        await team.alice.wait_for_ephemeral("not among those who may decide")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 1")
        snapshot = await is_done_once(team)
        refused = [e for e in snapshot.of_type("RequestAnswered") if e.actor == "person:alice"]
        assert len(refused) == {"before": 1, "after": 2}[when]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_edit_is_handled_once_after_a_kill(when: str, scenario: CrashScenario) -> None:
    place = f"{when} the commit of MessageEdited"
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start()
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        first = await team.bob.wait_for_card(root, approval="ship")
        await team.restart(place)
        await team.alice.edit_message(root, f"<@{team.slack.app.user}> ship 2")
        await team.wait_for_kill(place)
        await team.start()
        await first.wait_until_closed("Superseded")
        second = await team.bob.wait_for_card(root, "order: 2", approval="ship")
        await second.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 2")
        snapshot = await is_done_once(team, said=3)
        assert len(list(snapshot.of_type("MessageEdited"))) == 1


async def test_unchanged_edit_records_only_its_dedup_keys(scenario: CrashScenario) -> None:
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start()
        root = await team.alice.mention_bot("look 1", channel=OPS)
        await team.alice.wait_for_reply(root, "did look 1")
        await team.alice.edit_message(root, f"<@{team.slack.app.user}> look 1")
        await team.slack.wait_until_quiet()
        await team.restart()
        await team.alice.delete_message(root)
        await team.slack.wait_until_quiet()
        await team.stop_when_idle()
        snapshot = team.take_snapshot()
        assert find_violations(snapshot, is_settled=True) == []
        assert [e.type for e in snapshot.of_type("MessageEdited", "MessageDeleted")] == ["MessageDeleted"]


@pytest.mark.parametrize(
    "place", ["chat.postMessage done", "before the commit of RequestShown", "after the commit of RequestShown"]
)
async def test_http_thread_links_one_slack_conversation_after_a_kill(place: str, scenario: CrashScenario) -> None:
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        team.slack.add_channel(OPS)
        await team.start(place)
        asked = {"message": "ship 1", "agent": "crew", "reply_to": f"slack:{OPS}"}
        await asyncio.to_thread(RetryingClient(scenario, "alice").post, "/v1/threads", asked, "alice-1")
        await team.wait_for_kill(place)
        await team.start()
        card = await team.bob.wait_for_card(approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.bob.wait_for_reply(card.message, "did ship 1")
        await is_done_once(team)


@multi_process
async def test_reply_of_a_dead_worker_is_not_sent_again(
    scenario: CrashScenario,
) -> None:
    """Cards go before words: the worker with the card would find the reply in the outbox, and know of no attempt."""
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    async with slack_scenario(scenario, is_socket_mode=False) as team:
        await team.start("chat.postMessage done")
        root = await team.alice.mention_bot("look 1", channel=OPS)
        await team.alice.wait_for_reply(root, "did look 1")
        await asyncio.to_thread(
            wait_until, lambda: scenario.has_exited_process, lambda: f"nobody died: {scenario.log_tail}"
        )
        await team.alice.reply(root, "ship 2")
        card = await team.bob.wait_for_card(root, approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 2")
        await team.stop_when_idle()
        assert find_violations(team.take_snapshot(), is_settled=True) == []
        assert len(team.take_snapshot().sent_messages) == 3
