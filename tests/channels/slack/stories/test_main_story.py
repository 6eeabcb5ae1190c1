"""Main scenario on Slack: a request, rejected clicks, an approval, the tool call and the reply."""

import asyncio

from agents.core.completion import Completion
from agents.core.steps import DoneForNow
from agents.core.values import Address
from agents.llm.base import ModelRequest, OnPartialReply
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.slack import OPS, Transport, on_every_setup, running_slack_bot

SHIP = {"intent": "ship", "tag": "v1"}


@on_every_setup
async def test_approval_is_requested_and_given_in_the_thread(
    database: Database, running_bot, transport: Transport
) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="v1 is shipped."))
    async with running_slack_bot(running_bot, database, model, transport=transport) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        assert "v1" in card.text

        await card.click("Approve", actor=harness.eve)
        assert "not allowed to decide" in (await harness.eve.wait_for_ephemeral()).text
        await card.click("Approve", actor=harness.alice)
        assert "not allowed to decide" in (await harness.alice.wait_for_ephemeral()).text
        assert harness.bot_harness.tool_call_recorder.runs == []

        await card.click("Approve", actor=harness.bob)
        assert "approved by Bob Ito (slack)" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "v1 is shipped.")
        assert [action for _, action in harness.bot_harness.tool_call_recorder.runs] == ["ship v1"]
        thread_id = await harness.thread_id_for(root)
        await harness.bot_harness.wait_until_done(thread_id)
        await harness.bot_harness.check_replay(thread_id)


class TwoPartModel(ScriptedModel):
    """Model that writes the rest of its reply when `may_continue` is set."""

    def __init__(self, message: str, split_at: int) -> None:
        super().__init__(DoneForNow(message=message))
        self.may_continue = asyncio.Event()
        self._message, self._split_at = message, split_at

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        assert on_partial is not None
        on_partial(self._message[: self._split_at])
        await self.may_continue.wait()
        return await super().complete(model_request, on_partial)


async def test_streamed_reply_ends_with_the_text_of_the_log(
    database: Database, running_bot, transport: Transport
) -> None:
    model = TwoPartModel("Version 1.4.0 runs in production.", split_at=13)
    async with running_slack_bot(running_bot, database, model, transport=transport) as harness:
        root = await harness.alice.mention_bot("what is deployed?", channel=OPS)
        card = await harness.alice.wait_for_stream(root, "Version 1.4.0")
        model.may_continue.set()
        await card.wait_until_streamed("Version 1.4.0 runs in production.")
        assert card.message.text == "Version 1.4.0 runs in production."
        thread_id = await harness.thread_id_for(root)
        await harness.bot_harness.wait_until_done(thread_id)
        assert (await harness.bot_harness.events(thread_id))[-1].type == "MessageSent"
        await harness.bot_harness.check_replay(thread_id)


async def test_streamed_reply_of_a_cancelled_thread_is_deleted(database: Database, running_bot) -> None:
    model = TwoPartModel("Version 1.4.0 runs in production.", split_at=13)
    async with running_slack_bot(running_bot, database, model) as harness:
        root = await harness.alice.mention_bot("what is deployed?", channel=OPS)
        card = await harness.alice.wait_for_stream(root, "Version 1.4.0")
        await harness.bot_harness.bot.thread_control.cancel(await harness.thread_id_for(root), Address("person:bob"))
        model.may_continue.set()
        await card.wait_until_deleted()


async def test_file_of_a_long_reply_is_not_a_message_to_the_bot(database: Database, running_bot) -> None:
    text = "".join(f"{number}. A line of a reply that is far too long for messages.\n" for number in range(900))
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message=text))) as harness:
        root = await harness.alice.mention_bot("tell me everything", channel=OPS)
        await harness.alice.wait_for_reply(root, "The complete reply has")
        await harness.advance_clock(seconds=1)
        file = (await harness.alice.wait_for_reply(root)).message.extra_fields["files"][0]
        assert harness.slack.workspace.uploads[file["id"]].data == text.encode()
        thread_id = await harness.thread_id_for(root)
        await harness.bot_harness.wait_until_done(thread_id)
        assert [event.type for event in await harness.bot_harness.events(thread_id)].count("MessageReceived") == 1
