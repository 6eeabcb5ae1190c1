"""An app that is installed in a whole organisation: its people are people, and only strangers are strangers."""

import pytest

from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, Transport, slack_bot_in
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import fake_slack

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


@pytest.mark.parametrize("tells_team", ["none", "enterprise", "team"])
async def test_people_of_an_organisation_ask_and_decide(
    database: Database, running_bot, transport: Transport, tells_team: str
) -> None:
    app = App(enterprise="E0ORG", auth_test_team=tells_team)  # type: ignore[arg-type]  # one of its three words
    async with (
        fake_slack(FakeClock(), app=app, socket_mode=transport == "socket") as slack,
        slack_bot_in(slack, running_bot, database, ScriptedModel(SHIP, DONE), transport=transport) as work,
    ):
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=work.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        notice = await work.alice.run_slash_command("/handrail whoami", channel=OPS)
        assert "Alice Ng" in str(notice)


async def test_somebody_of_another_workspace_of_the_organisation_is_a_teammate(database: Database, running_bot) -> None:
    app = App(enterprise="E0ORG")
    async with (
        fake_slack(FakeClock(), app=app) as slack,
        slack_bot_in(slack, running_bot, database, ScriptedModel(DONE)),
    ):
        frank = slack.add_person("frank", "W0FRANK", team_id="E0ORG")
        root = await frank.mention_bot("hi", channel=OPS)
        await frank.wait_for_reply(root, "Done.")


async def test_a_stranger_of_a_shared_channel_stays_a_stranger(database: Database, running_bot) -> None:
    app = App(enterprise="E0ORG")
    async with fake_slack(FakeClock(), app=app) as slack, slack_bot_in(slack, running_bot, database) as work:
        guest = slack.add_person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mention_bot("ship v1", channel=OPS)
        await slack.wait_until_quiet()
        assert work.bot.commits == []
