"""The main story on Slack: somebody asks, a stranger may not decide, somebody else does, it is done and told."""

import asyncio

from agents.addresses import Address
from agents.completion import Completion
from agents.model import ModelRequest, OnPartialReply
from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, Transport, on_every_setup, running_slack_bot
from tests.fakes.scripted_model import ScriptedModel

SHIP = {"intent": "ship", "tag": "v1"}


@on_every_setup
async def test_an_approval_is_asked_for_and_given_in_the_thread(
    database: Database, running_bot, transport: Transport
) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="v1 is shipped."))
    async with running_slack_bot(running_bot, database, model, transport=transport) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        assert "v1" in card.text

        await card.click("Approve", actor=work.eve)
        assert "not among those who may decide" in (await work.eve.wait_for_ephemeral()).text
        await card.click("Approve", actor=work.alice)
        assert "not among those who may decide" in (await work.alice.wait_for_ephemeral()).text
        assert work.bot.recording_tools.runs == []

        await card.click("Approve", actor=work.bob)
        assert "approved by Bob Ito (slack)" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "v1 is shipped.")
        assert [what for _, what in work.bot.recording_tools.runs] == ["ship v1"]
        thread = await work.thread_id_for(root)
        await work.bot.wait_until_settled(thread)
        await work.bot.check_replay(thread)


class TwoPartModel(ScriptedModel):
    """Writes its reply in two pieces, the second one when the test says so."""

    def __init__(self, message: str, cut: int) -> None:
        super().__init__(DoneForNow(message=message))
        self.may_continue = asyncio.Event()
        self._message, self._cut = message, cut

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        assert on_partial is not None
        on_partial(self._message[: self._cut])
        await self.may_continue.wait()
        return await super().complete(model_request, on_partial)


async def test_a_reply_is_read_along_while_the_model_writes_and_ends_as_the_log_has_it(
    database: Database, running_bot, transport: Transport
) -> None:
    model = TwoPartModel("Version 1.4.0 runs in production.", cut=13)
    async with running_slack_bot(running_bot, database, model, transport=transport) as work:
        root = await work.alice.mention_bot("what is deployed?", channel=OPS)
        card = await work.alice.wait_for_stream(root, "Version 1.4.0")
        model.may_continue.set()
        await card.wait_until_streamed("Version 1.4.0 runs in production.")
        assert card.message.text == "Version 1.4.0 runs in production."
        thread = await work.thread_id_for(root)
        await work.bot.wait_until_settled(thread)
        assert (await work.bot.events(thread))[-1].type == "MessageSent"
        await work.bot.check_replay(thread)


async def test_a_reply_that_was_overtaken_is_taken_away(database: Database, running_bot) -> None:
    model = TwoPartModel("Version 1.4.0 runs in production.", cut=13)
    async with running_slack_bot(running_bot, database, model) as work:
        root = await work.alice.mention_bot("what is deployed?", channel=OPS)
        card = await work.alice.wait_for_stream(root, "Version 1.4.0")
        await work.bot.bot.thread_control.cancel(await work.thread_id_for(root), Address("person:bob"))
        model.may_continue.set()
        await card.wait_until_deleted()


async def test_very_long_reply_is_one_file_in_the_thread_and_no_message_to_the_bot(
    database: Database, running_bot
) -> None:
    whole = "".join(f"{number}. A line of a reply that is far too long for messages.\n" for number in range(900))
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message=whole))) as work:
        root = await work.alice.mention_bot("tell me everything", channel=OPS)
        await work.alice.wait_for_reply(root, "The whole reply has")
        await work.advance_clock(seconds=1)
        file = (await work.alice.wait_for_reply(root)).message.extra_fields["files"][0]
        assert work.slack.workspace.uploads[file["id"]].data == whole.encode()
        thread = await work.thread_id_for(root)
        await work.bot.wait_until_settled(thread)
        assert [event.type for event in await work.bot.events(thread)].count("MessageReceived") == 1
