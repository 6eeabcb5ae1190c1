"""A closed request updates all of its cards on Slack and removes their buttons; late clicks are explained."""

from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.requests import Request
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from storage.database.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.card import ShownMessage
from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import fake_slack
from tests.harness.people import SLACK_USERS
from tests.harness.slack import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot, slack_bot_in
from tests.harness.tools import ToolCallRecorder

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
BOB_ON_SLACK = Address(f"slack:{SLACK_USERS['bob']}")
TERMS = ApprovalTerms(
    roles=("release",), remind=(60,), escalate=(EscalationStep(after=120, to=BOB_ON_SLACK),), expires=600
)
RULES = (Rule(name="release", tool="ship", ask=TERMS),)


async def wait_for_three_cards(harness: SlackHarness, root: Message) -> list[ShownMessage]:
    """Wait for the card in the thread, its reminder and the direct message to Bob."""
    first = await harness.bob.wait_for_card(root, approval="ship")
    await harness.advance_clock(seconds=60)
    reminder = await harness.bob.wait_for_reply(root, "wants to run ship")
    await harness.advance_clock(seconds=60)
    direct_card = await wait_for_direct_card(harness)
    await harness.advance_clock(seconds=1)
    await harness.alice.wait_for_reply(root, "yet; I asked Bob Ito on Slack.")
    return [first, reminder, direct_card]


async def wait_for_direct_card(harness: SlackHarness) -> ShownMessage:
    """Wait for the card in Bob's direct messages with the bot."""
    channel = harness.slack.workspace.get_direct_channel(SLACK_USERS["bob"]).id
    card = await harness.bob.wait_for_reply(text="wants to run ship")
    assert card.message.channel == channel
    return card


async def wait_for_request(harness: SlackHarness, root: Message) -> Request:
    """Wait until all three cards of the thread's request are in the log, and return the request."""
    state = await harness.bot_harness.wait_until(
        await harness.thread_id_for(root), lambda state: state.open_request and len(state.open_request.cards) == 3
    )
    assert state.open_request is not None
    return state.open_request


@on_every_setup
async def test_click_closes_all_cards_and_late_clicks_are_explained(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with running_slack_bot(running_bot, database, model, rules=RULES) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        cards = await wait_for_three_cards(harness, root)
        await cards[2].click("Approve", actor=harness.bob)
        for card in cards:
            closed = await card.wait_until_closed("approved by Bob Ito (slack)")
            assert "<!date^" in str(card.message.blocks)
            assert closed.startswith("helper wants to run ship")
        await cards[0].click("Approve", actor=harness.carol)
        await cards[1].click("Deny", actor=harness.carol)
        await cards[2].click("Approve", actor=harness.bob)
        for person in (harness.carol, harness.carol, harness.bob):
            assert "is settled: approved by Bob Ito (slack)" in (await person.wait_for_ephemeral()).text
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert [action for _, action in harness.bot_harness.tool_call_recorder.runs] == ["ship v1"]


async def test_redelivered_click_counts_once(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=harness.eve)
        await harness.eve.wait_for_ephemeral("not allowed to decide")
        await card.click("Approve", actor=harness.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        for bot_request, _ in tuple(harness.slack.delivery_attempts):
            harness.slack.redeliver(bot_request)
        await harness.slack.wait_until_quiet()
        harness.slack.ignore_ephemeral_messages()  # Eve's click is not recorded, so its repetition is answered again
        assert (await harness.event_types(root)).count("RequestAnswered") == 1
        assert [action for _, action in harness.bot_harness.tool_call_recorder.runs] == ["ship v1"]


async def test_answer_on_another_channel_closes_all_cards(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        cards = await wait_for_three_cards(harness, root)
        await harness.bot_harness.answer_request(await wait_for_request(harness, root), "approve", person_key="carol")
        for card in cards:
            await card.wait_until_closed("approved by Carol Diaz (terminal)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_expired_request_closes_all_cards(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        cards = await wait_for_three_cards(harness, root)
        await wait_for_request(harness, root)
        await harness.advance_clock(minutes=10)
        for card in cards:
            await card.wait_until_closed("no answer in time")
        await cards[0].click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("no answer in time")
        await cards[1].click("Deny", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("no answer in time")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert harness.bot_harness.tool_call_recorder.runs == []


async def test_cancelled_thread_closes_all_cards(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=RULES) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        cards = await wait_for_three_cards(harness, root)
        await wait_for_request(harness, root)
        await harness.bot_harness.bot.thread_control.cancel(await harness.thread_id_for(root), person_address("alice"))
        for card in cards:
            await card.wait_until_closed("cancelled with its thread")
        await cards[0].click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("cancelled with its thread")


async def test_new_instruction_closes_all_cards(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        cards = await wait_for_three_cards(harness, root)
        await wait_for_request(harness, root)
        await harness.alice.reply(root, "no, wait")
        for card in cards:
            await card.wait_until_closed("withdrawn, or replaced by a new instruction")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert harness.bot_harness.tool_call_recorder.runs == []


async def test_deleted_card_is_followed_by_the_outcome(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        card.message.is_deleted = True
        request = await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))
        await harness.bot_harness.answer_request(request, "deny", person_key="carol")
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(root, "denied by Carol Diaz (terminal)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        harness.slack.assert_error_occurred("chat.update", "message_not_found")


@on_every_setup
async def test_card_of_a_previous_process_can_be_clicked(database_url: str, running_bot, transport: Transport) -> None:
    tool_call_recorder = ToolCallRecorder()
    async with fake_slack(FakeClock(), socket_mode=transport == "socket") as slack:
        options = {"tool_call_recorder": tool_call_recorder, "transport": transport}
        async with slack_bot_in(
            slack, running_bot, Database.open(database_url), ScriptedModel(SHIP), **options
        ) as harness:
            root = await harness.alice.mention_bot("ship v1", channel=OPS)
            card = await harness.bob.wait_for_card(root, approval="ship")
            await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))
        async with slack_bot_in(
            slack, running_bot, Database.open(database_url), ScriptedModel(DONE), id_prefix="b", **options
        ) as harness:
            await card.click("Approve", actor=harness.bob)
            await card.wait_until_closed("approved by Bob Ito (slack)")
            await harness.advance_clock(seconds=1)
            await harness.alice.wait_for_reply(root, "Done.")
            assert [action for _, action in tool_call_recorder.runs] == ["ship v1"]
