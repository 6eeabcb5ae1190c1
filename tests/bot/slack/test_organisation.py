"""An app that is installed in a whole organisation: its people are people, and only strangers are strangers."""

import pytest

from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.workplace import OPS, Transport, bot_among
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import fake_slack

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


@pytest.mark.parametrize("tells_team", ["none", "enterprise", "team"])
async def test_people_of_an_organisation_ask_and_decide(
    database: Database, house, transport: Transport, tells_team: str
) -> None:
    app = App(enterprise="E0ORG", tells_team=tells_team)  # type: ignore[arg-type]  # one of its three words
    async with (
        fake_slack(FakeClock(), app=app, socket_mode=transport == "socket") as slack,
        bot_among(slack, house, database, ScriptedModel(SHIP, DONE), transport=transport) as work,
    ):
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        await card.click("Approve", by=work.bob)
        await card.settled("approved by Bob Ito (slack)")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        notice = await work.alice.commands("/handrail whoami", channel=OPS)
        assert "Alice Ng" in str(notice)


async def test_somebody_of_another_workspace_of_the_organisation_is_a_teammate(database: Database, house) -> None:
    app = App(enterprise="E0ORG")
    async with (
        fake_slack(FakeClock(), app=app) as slack,
        bot_among(slack, house, database, ScriptedModel(DONE)),
    ):
        frank = slack.person("frank", "W0FRANK", team_id="E0ORG")
        root = await frank.mentions("hi", channel=OPS)
        await frank.hears(root, "Done.")


async def test_a_stranger_of_a_shared_channel_stays_a_stranger(database: Database, house) -> None:
    app = App(enterprise="E0ORG")
    async with fake_slack(FakeClock(), app=app) as slack, bot_among(slack, house, database) as work:
        guest = slack.person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mentions("ship v1", channel=OPS)
        await slack.quiet()
        assert work.home.commits == []
