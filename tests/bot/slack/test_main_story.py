"""The main story on Slack: somebody asks, a stranger may not decide, somebody else does, it is done and told."""

import asyncio

from agents.addresses import Address
from agents.completion import Completion
from agents.model import Turn, Words
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
        assert "approved by Bob Ito (slack)" in await card.settled()
        await work.later(seconds=1)
        await work.alice.hears(root, "v1 is shipped.")
        assert [what for _, what in work.home.workshop.done] == ["ship v1"]
        thread = await work.thread_of(root)
        await work.home.at_rest(thread)
        await work.home.check_replay(thread)


class Slow(ScriptedModel):
    """Writes its reply in two pieces, the second one when the test says so."""

    def __init__(self, message: str, cut: int) -> None:
        super().__init__(DoneForNow(message=message))
        self.goes_on = asyncio.Event()
        self._message, self._cut = message, cut

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        assert words is not None
        words(self._message[: self._cut])
        await self.goes_on.wait()
        return await super().complete(turn, words)


async def test_a_reply_is_read_along_while_the_model_writes_and_ends_as_the_log_has_it(
    database: Database, house, transport: Transport
) -> None:
    model = Slow("Version 1.4.0 runs in production.", cut=13)
    async with workplace(house, database, model, transport=transport) as work:
        root = await work.alice.mentions("what is deployed?", channel=OPS)
        card = await work.alice.reads_along(root, "Version 1.4.0")
        model.goes_on.set()
        await card.ends("Version 1.4.0 runs in production.")
        assert card.message.text == "Version 1.4.0 runs in production."
        thread = await work.thread_of(root)
        await work.home.at_rest(thread)
        assert (await work.home.log(thread))[-1].type == "MessageSent"
        await work.home.check_replay(thread)


async def test_a_reply_that_was_overtaken_is_taken_away(database: Database, house) -> None:
    model = Slow("Version 1.4.0 runs in production.", cut=13)
    async with workplace(house, database, model) as work:
        root = await work.alice.mentions("what is deployed?", channel=OPS)
        card = await work.alice.reads_along(root, "Version 1.4.0")
        await work.home.bot.steering.cancel(await work.thread_of(root), Address("person:bob"))
        model.goes_on.set()
        await card.vanishes()


async def test_very_long_reply_is_one_file_in_the_thread_and_no_message_to_the_bot(database: Database, house) -> None:
    whole = "".join(f"{number}. A line of a reply that is far too long for messages.\n" for number in range(900))
    async with workplace(house, database, ScriptedModel(DoneForNow(message=whole))) as work:
        root = await work.alice.mentions("tell me everything", channel=OPS)
        await work.alice.hears(root, "The whole reply has")
        await work.later(seconds=1)
        file = (await work.alice.hears(root)).message.more["files"][0]
        assert work.slack.workspace.uploads[file["id"]].data == whole.encode()
        thread = await work.thread_of(root)
        await work.home.at_rest(thread)
        assert [event.type for event in await work.home.log(thread)].count("MessageReceived") == 1
