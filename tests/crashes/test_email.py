"""kill -9 between the steps of a mail: no mail is lost, and no message, answer or tool call happens twice."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.crashes.agent_under_test import BY_MAIL
from tests.crashes.checker import find_violations
from tests.crashes.email_scenario import EmailScenario, email_scenario
from tests.crashes.scenario import SINGLE_PROCESS_DEPLOYMENTS, CrashScenario, deployment_id
from tests.slow_cases import spread


@dataclass(frozen=True)
class EmailCrashCase:
    """Kill point of the bot, and the step at which it is armed."""

    step: str
    kill_point: str
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{self.step}, {self.kill_point}{f' again ({self.occurrence})' if self.occurrence > 1 else ''}"


INBOUND_POINTS = (
    "before the mail is stored",
    "after the mail is stored",
    "before the mail is read",
    "before the row is finished",
)
OUTBOUND_POINTS = ("before the final dot", "after the final dot")
EMAIL_CRASH_CASES = (
    *(EmailCrashCase(step, point) for step in ("request", "answer") for point in (*INBOUND_POINTS, *OUTBOUND_POINTS)),
    *(EmailCrashCase("answer", point, 2) for point in OUTBOUND_POINTS),
    EmailCrashCase("request", "before the commit of ThreadStarted"),
    EmailCrashCase("request", "after the commit of ThreadStarted"),
    EmailCrashCase("request", "before the commit of RequestShown"),
    EmailCrashCase("request", "after the commit of RequestShown"),
    EmailCrashCase("answer", "before the commit of RequestAnswered"),
    EmailCrashCase("answer", "after the commit of RequestAnswered"),
    EmailCrashCase("answer", "before the commit of MessageSent"),
)


def is_quick(case: EmailCrashCase) -> bool:
    """Return whether a case runs without `--all`: a kill in each of the steps of a mail."""
    return (case.step, case.kill_point, case.occurrence) in {
        ("request", "after the mail is stored", 1),
        ("answer", "before the row is finished", 1),
        ("answer", "after the final dot", 2),
    }


def id_of(value: EmailCrashCase | tuple[str, str]) -> str:
    return str(value) if isinstance(value, EmailCrashCase) else deployment_id(value)


@pytest.mark.parametrize(
    ("case", "scenario"),
    spread(EMAIL_CRASH_CASES, SINGLE_PROCESS_DEPLOYMENTS, is_quick),
    ids=id_of,
    indirect=["scenario"],
)
async def test_kill_loses_and_repeats_no_mail(case: EmailCrashCase, scenario: CrashScenario) -> None:
    async with email_scenario(scenario) as team:
        async with asyncio.TaskGroup() as kills:
            await start_at_step(team, case, "request", kills)
            await team.world.alice.write(f"ship {BY_MAIL}")
            card = await team.world.bob.wait_for_mail("ship")
            await start_at_step(team, case, "answer", kills)
            await team.world.bob.reply(card, f"APPROVE {card.code}")
            await team.world.bob.wait_for_mail(f"Recorded for {card.code}")
            await team.world.alice.wait_for_mail(f"did ship {BY_MAIL}")
        await check_done_once(team)


async def start_at_step(team: EmailScenario, case: EmailCrashCase, step: str, kills: asyncio.TaskGroup) -> None:
    """Restart the bot with the kill point armed if this is the step of the case; start it again after the kill."""
    if step == case.step:
        await team.restart(case.kill_point, case.occurrence)
        kills.create_task(wait_for_kill_and_start(team, case))
    elif step == "request":
        await team.start()


async def wait_for_kill_and_start(team: EmailScenario, case: EmailCrashCase) -> None:
    await team.wait_for_kill(case.kill_point, case.occurrence)
    await team.start()


async def check_done_once(team: EmailScenario) -> None:
    """Check one done thread, one counted decision, one side effect, and that mails differ in their Message-ID."""
    snapshot = await team.stop_when_idle()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert [row.status for row in snapshot.threads.values()] == ["done"]
    assert len({(entry["tool"], entry["key"]) for entry in snapshot.side_effects}) == 1
    assert sum(event.data["answer"]["counted"] for event in snapshot.events_of_type("RequestAnswered")) == 1
    counts = {person.name: len({mail.message_id for mail in person.inbox()}) for person in team.world.people}
    # Alice gets the card, a notice that Bob was asked, one that Carol has no address, and the answer
    assert counts == {"Alice": 4, "Bob": 2, "Carol": 0, "Eve": 0}
    mails = [mail for person in team.world.people for mail in person.inbox()]
    assert len({(mail.message_id, mail.text) for mail in mails}) == len({mail.message_id for mail in mails})
