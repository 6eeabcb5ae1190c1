"""App installed in a whole organization (Enterprise Grid): its users are internal, other users are external."""

import pytest

from agents.core.steps import DoneForNow
from storage.database.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import fake_slack
from tests.harness.slack import OPS, Transport, slack_bot_in

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


@pytest.mark.parametrize("auth_test_team", ["none", "enterprise", "team"])
async def test_people_of_an_organization_ask_and_decide(
    database: Database, running_bot, transport: Transport, auth_test_team: str
) -> None:
    app = App(enterprise="E0ORG", auth_test_team=auth_test_team)  # type: ignore[arg-type]  # parametrized with its three values
    async with (
        fake_slack(FakeClock(), app=app, socket_mode=transport == "socket") as slack,
        slack_bot_in(slack, running_bot, database, ScriptedModel(SHIP, DONE), transport=transport) as harness,
    ):
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=harness.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        reply = await harness.alice.run_slash_command("/handrail whoami", channel=OPS)
        assert "Alice Ng" in str(reply)


async def test_user_of_another_workspace_of_the_organization_is_internal(database: Database, running_bot) -> None:
    app = App(enterprise="E0ORG")
    async with (
        fake_slack(FakeClock(), app=app) as slack,
        slack_bot_in(slack, running_bot, database, ScriptedModel(DONE)),
    ):
        frank = slack.add_person("frank", "W0FRANK", team_id="E0ORG")
        root = await frank.mention_bot("hi", channel=OPS)
        await frank.wait_for_reply(root, "Done.")


async def test_external_user_of_a_shared_channel_is_ignored(database: Database, running_bot) -> None:
    app = App(enterprise="E0ORG")
    async with fake_slack(FakeClock(), app=app) as slack, slack_bot_in(slack, running_bot, database) as harness:
        guest = slack.add_person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mention_bot("ship v1", channel=OPS)
        await slack.wait_until_quiet()
        assert harness.bot_harness.commits == []
