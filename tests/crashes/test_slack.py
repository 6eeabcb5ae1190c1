"""kill -9 between an effect in Slack and its record: no message is lost or repeated."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.process_pool import wait_until
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import (
    SHORT_HEARTBEAT_TIMEOUT_SECONDS,
    SINGLE_PROCESS_DEPLOYMENTS,
    CrashScenario,
    deployment_id,
    multi_process,
    quick_on,
)
from tests.crashes.slack_scenario import OPS, SlackScenario, slack_scenario
from tests.crashes.snapshot import SystemSnapshot
from tests.fakes.slack.actor import InteractionFailed
from tests.slow_cases import slow_after_first, spread


@dataclass(frozen=True)
class SlackCrashCase:
    """Kill point of the bot, and the step at which it is armed."""

    step: str
    kill_point: str
    occurrence: int = 1
    is_reached_over_socket_mode: bool = True

    def __str__(self) -> str:
        return f"{self.step}, {self.kill_point}{f' again ({self.occurrence})' if self.occurrence > 1 else ''}"


def _request_cases() -> Iterator[SlackCrashCase]:
    yield SlackCrashCase("start", "request read", is_reached_over_socket_mode=False)
    yield SlackCrashCase("start", "auth.test called", is_reached_over_socket_mode=False)
    yield SlackCrashCase("start", "before the commit of ThreadStarted")
    yield SlackCrashCase("start", "after the commit of ThreadStarted")
    yield SlackCrashCase("start", "response ready", is_reached_over_socket_mode=False)
    yield SlackCrashCase("start", "chat.postMessage called")
    yield SlackCrashCase("start", "chat.postMessage done")
    yield SlackCrashCase("start", "before the commit of RequestShown")
    yield SlackCrashCase("start", "after the commit of RequestShown")


def _decision_cases() -> Iterator[SlackCrashCase]:
    yield SlackCrashCase("card shown", "request read", is_reached_over_socket_mode=False)
    yield SlackCrashCase("card shown", "before the commit of RequestAnswered")
    yield SlackCrashCase("card shown", "after the commit of RequestAnswered")
    yield SlackCrashCase("card shown", "response ready", is_reached_over_socket_mode=False)
    yield SlackCrashCase("card shown", "chat.update called")
    yield SlackCrashCase("card shown", "chat.update done")
    yield SlackCrashCase("card shown", "before the commit of MessageSent")
    yield SlackCrashCase("card shown", "after the commit of MessageSent")
    yield SlackCrashCase("card shown", "chat.postMessage called")
    yield SlackCrashCase("card shown", "chat.postMessage done")
    yield SlackCrashCase("card shown", "before the commit of MessageSent", 2)
    yield SlackCrashCase("card shown", "after the commit of MessageSent", 2)


SLACK_CRASH_CASES = (*_request_cases(), *_decision_cases())


def is_quick(case: SlackCrashCase) -> bool:
    """Return whether a case runs without `--all`: one kill per step, transport and database."""
    return (case.step, case.kill_point, case.occurrence) in {
        ("start", "before the commit of ThreadStarted", 1),
        ("start", "chat.postMessage done", 1),
        ("card shown", "response ready", 1),
        ("card shown", "after the commit of RequestAnswered", 1),
    }


def id_of(value: SlackCrashCase | tuple[str, str]) -> str:
    return str(value) if isinstance(value, SlackCrashCase) else deployment_id(value)


@pytest.mark.parametrize(
    ("case", "scenario"),
    spread(SLACK_CRASH_CASES, SINGLE_PROCESS_DEPLOYMENTS, is_quick),
    ids=id_of,
    indirect=["scenario"],
)
async def test_kill_loses_and_repeats_no_message(case: SlackCrashCase, scenario: CrashScenario) -> None:
    """SQLite runs over HTTP, PostgreSQL over Socket Mode where the kill point is reached there."""
    async with slack_scenario(
        scenario, is_socket_mode=case.is_reached_over_socket_mode and scenario.has_job_queue
    ) as team:
        async with asyncio.TaskGroup() as kills:
            await start_at_step(team, case, "start", kills)
            root = await team.alice.mention_bot("ship 1", channel=OPS)
            card = await team.bob.wait_for_card(root, approval="ship")
            await start_at_step(team, case, "card shown", kills)
            await card.click_until_accepted("Approve", actor=team.bob)
            await card.wait_until_closed("approved by Bob")
            await team.alice.wait_for_reply(root, "did ship 1")
        await check_done_once(team)


async def start_at_step(team: SlackScenario, case: SlackCrashCase, step: str, kills: asyncio.TaskGroup) -> None:
    """Restart the bot with the kill point armed if this is the step of the case; start it again after the kill."""
    if step == case.step:
        await team.restart(case.kill_point, case.occurrence)
        kills.create_task(wait_for_kill_and_start(team, case))
    elif step == "start":
        await team.start()


async def wait_for_kill_and_start(team: SlackScenario, case: SlackCrashCase) -> None:
    await team.wait_for_kill(case.kill_point, case.occurrence)
    await team.start()


async def check_done_once(team: SlackScenario, message_count: int = 2) -> SystemSnapshot:
    """Check one done thread, one counted decision, one side effect, and no repeated message in Slack."""
    await team.stop_when_idle()
    team.slack.ignore_ephemeral_messages()
    snapshot = team.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert [row.status for row in snapshot.threads.values()] == ["done"]
    assert len({(entry["tool"], entry["key"]) for entry in snapshot.side_effects}) == 1
    assert sum(event.data["answer"]["counted"] for event in snapshot.events_of_type("RequestAnswered")) == 1
    assert len(snapshot.sent_messages) == message_count
    return snapshot


@quick_on("sqlite")
@pytest.mark.parametrize("kill_point", slow_after_first(["conversations.replies done", "conversations.replies called"]))
async def test_lookup_of_sent_messages_is_repeated_after_a_kill(kill_point: str, scenario: CrashScenario) -> None:
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start("chat.postMessage done")
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        await team.wait_for_kill("chat.postMessage done")
        await team.start(kill_point)
        await team.wait_for_kill(kill_point)
        await team.start()
        card = await team.bob.wait_for_card(root, approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 1")
        await check_done_once(team)


@quick_on("sqlite")
@pytest.mark.parametrize("when", slow_after_first(["after", "before"]))
async def test_rejected_click_is_explained_on_the_next_click(when: str, scenario: CrashScenario) -> None:
    """After the commit the ephemeral message is lost with the process: Slack does not repeat interactions."""
    kill_point = f"{when} the commit of RequestAnswered"
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start()
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        card = await team.bob.wait_for_card(root, approval="ship")
        await team.restart(kill_point)
        with pytest.raises(InteractionFailed):
            await card.click("Approve", actor=team.alice)
        await team.wait_for_kill(kill_point)
        await team.start()
        await card.click_until_accepted("Approve", actor=team.alice)
        await team.alice.wait_for_ephemeral("not allowed to decide this request")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 1")
        snapshot = await check_done_once(team)
        rejected = [e for e in snapshot.events_of_type("RequestAnswered") if e.actor == "person:alice"]
        assert len(rejected) == {"before": 1, "after": 2}[when]


@quick_on("postgresql")
@pytest.mark.parametrize("when", slow_after_first(["after", "before"]))
async def test_edit_is_handled_once_after_a_kill(when: str, scenario: CrashScenario) -> None:
    kill_point = f"{when} the commit of MessageEdited"
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        await team.start()
        root = await team.alice.mention_bot("ship 1", channel=OPS)
        first = await team.bob.wait_for_card(root, approval="ship")
        await team.restart(kill_point)
        await team.alice.edit_message(root, f"<@{team.slack.app.user}> ship 2")
        await team.wait_for_kill(kill_point)
        await team.start()
        await first.wait_until_closed("Superseded")
        second = await team.bob.wait_for_card(root, "order: 2", approval="ship")
        await second.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 2")
        snapshot = await check_done_once(team, message_count=3)
        assert len(list(snapshot.events_of_type("MessageEdited"))) == 1


@quick_on("sqlite")
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
        assert find_violations(snapshot, is_work_finished=True) == []
        assert [e.type for e in snapshot.events_of_type("MessageEdited", "MessageDeleted")] == ["MessageDeleted"]


@quick_on("postgresql")
@pytest.mark.parametrize(
    "kill_point",
    slow_after_first(
        ["chat.postMessage done", "before the commit of RequestShown", "after the commit of RequestShown"]
    ),
)
async def test_http_thread_links_one_slack_conversation_after_a_kill(kill_point: str, scenario: CrashScenario) -> None:
    async with slack_scenario(scenario, is_socket_mode=scenario.has_job_queue) as team:
        team.slack.add_channel(OPS)
        await team.start(kill_point)
        body = {"message": "ship 1", "agent": "crew", "reply_to": f"slack:{OPS}"}
        await asyncio.to_thread(RetryingClient(scenario, "alice").post, "/v1/threads", body, "alice-1")
        await team.wait_for_kill(kill_point)
        await team.start()
        card = await team.bob.wait_for_card(approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.bob.wait_for_reply(card.message, "did ship 1")
        await check_done_once(team)


@multi_process
async def test_reply_of_a_dead_worker_is_not_sent_again(
    scenario: CrashScenario,
) -> None:
    """Cards are sent before texts: another worker that sends the card must not send the old reply as well."""
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    async with slack_scenario(scenario, is_socket_mode=False) as team:
        await team.start("chat.postMessage done")
        root = await team.alice.mention_bot("look 1", channel=OPS)
        await team.alice.wait_for_reply(root, "did look 1")
        await asyncio.to_thread(
            wait_until, lambda: scenario.has_exited_process, lambda: f"no process was killed: {scenario.log_tail}"
        )
        await team.alice.reply(root, "ship 2")
        card = await team.bob.wait_for_card(root, approval="ship")
        await card.click_until_accepted("Approve", actor=team.bob)
        await team.alice.wait_for_reply(root, "did ship 2")
        await team.stop_when_idle()
        assert find_violations(team.take_snapshot(), is_work_finished=True) == []
        assert len(team.take_snapshot().sent_messages) == 3
