"""The main story on Slack: somebody asks, a stranger may not decide, somebody else does, it is done and told."""

from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.workplace import OPS, Transport, everywhere, workplace
from tests.fakes.scripted import ScriptedModel

SHIP = {"intent": "ship", "tag": "v1"}


@everywhere
async def test_an_approval_is_asked_for_and_given_in_the_thread(
    database: Database, house, transport: Transport
) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="v1 is shipped."))
    async with workplace(house, database, model, transport=transport) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        assert "v1" in card.text

        await card.click("Approve", by=work.eve)
        assert "not among those who may decide" in (await work.eve.told()).text
        await card.click("Approve", by=work.alice)
        assert "not among those who may decide" in (await work.alice.told()).text
        assert work.home.workshop.done == []

        await card.click("Approve", by=work.bob)
        assert "approved by bob (slack)" in await card.settled()
        await work.later(seconds=1)
        await work.alice.hears(root, "v1 is shipped.")
        assert [what for _, what in work.home.workshop.done] == ["ship v1"]
        thread = await work.thread_of(root)
        await work.home.at_rest(thread)
        await work.home.check_replay(thread)
