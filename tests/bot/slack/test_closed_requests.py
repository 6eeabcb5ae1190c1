"""However a request ends, every card of it on Slack says so and has no buttons; whoever presses late is told alone."""

from agents.addresses import Address, person_address
from agents.policy import ApprovalTerms, EscalationStep, Rule
from agents.requests import Request
from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot, slack_bot_in
from tests.bot_harness import RecordingTools
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import fake_slack

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
BOB = Address("slack:U0BOB")
TERMS = ApprovalTerms(roles=("release",), remind=(60,), escalate=(EscalationStep(after=120, to=BOB),), expires=600)
RULES = (Rule(name="widely", tool="ship", ask=TERMS),)


async def copies(work: SlackHarness, root: Message) -> list[Card]:
    """The card in the thread, its reminder, and what Bob was written."""
    first = await work.bob.wait_for_card(root, approval="ship")
    await work.advance_clock(seconds=60)
    reminder = await work.bob.wait_for_reply(root, "wants to run ship")
    await work.advance_clock(seconds=60)
    card = await written(work)
    await work.advance_clock(seconds=1)
    await work.alice.wait_for_reply(root, "yet; I asked Bob Ito on Slack.")
    return [first, reminder, card]


async def written(work: SlackHarness) -> Card:
    """The card in Bob's conversation with us, which is a message of its own."""
    place = work.slack.workspace.get_direct_channel("U0BOB").id
    card = await work.bob.wait_for_reply(text="wants to run ship")
    assert card.message.channel == place
    return card


async def request_of(work: SlackHarness, root: Message) -> Request:
    """The only one of the thread, with all three cards in the log."""
    state = await work.bot.wait_until(
        await work.thread_id_for(root), lambda s: s.open_request and len(s.open_request.cards) == 3
    )
    assert state.open_request is not None
    return state.open_request


@on_every_setup
async def test_a_click_settles_every_copy_and_each_later_click_is_told_what_happened(
    database: Database, running_bot
) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with running_slack_bot(running_bot, database, model, rules=RULES) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        cards = await copies(work, root)
        await cards[2].click("Approve", actor=work.bob)
        for card in cards:
            settled = await card.wait_until_closed("approved by Bob Ito (slack)")
            assert "<!date^" in str(card.message.blocks)
            assert settled.startswith("helper wants to run ship")
        await cards[0].click("Approve", actor=work.carol)
        await cards[1].click("Deny", actor=work.carol)
        await cards[2].click("Approve", actor=work.bob)
        for who in (work.carol, work.carol, work.bob):
            assert "is settled: approved by Bob Ito (slack)" in (await who.wait_for_ephemeral()).text
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert [what for _, what in work.bot.recording_tools.runs] == ["ship v1"]


async def test_a_click_that_arrives_twice_counts_once(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=work.eve)
        await work.eve.wait_for_ephemeral("not among those who may decide")
        await card.click("Approve", actor=work.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        for parcel, _ in tuple(work.slack.delivery_attempts):
            work.slack.redeliver(parcel)
        await work.slack.wait_until_quiet()
        work.slack.ignore_ephemeral_messages()  # a stranger's click leaves nothing, so the stranger is told again
        assert (await work.event_types(root)).count("RequestAnswered") == 1
        assert [what for _, what in work.bot.recording_tools.runs] == ["ship v1"]


async def test_an_answer_from_elsewhere_settles_every_copy_and_says_from_where(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        cards = await copies(work, root)
        await work.bot.answer_request(await request_of(work, root), "approve", person_key="carol")
        for card in cards:
            await card.wait_until_closed("approved by Carol Diaz (terminal)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_what_ran_out_is_told_as_a_timeout_on_every_copy(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.advance_clock(minutes=10)
        for card in cards:
            await card.wait_until_closed("no answer in time")
        await cards[0].click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("no answer in time")
        await cards[1].click("Deny", actor=work.bob)
        await work.bob.wait_for_ephemeral("no answer in time")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert work.bot.recording_tools.runs == []


async def test_a_cancelled_thread_takes_the_buttons_from_every_copy(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=RULES) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.bot.bot.thread_control.cancel(await work.thread_id_for(root), person_address("alice"))
        for card in cards:
            await card.wait_until_closed("cancelled with its thread")
        await cards[0].click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("cancelled with its thread")


async def test_a_new_instruction_takes_the_buttons_from_every_copy(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.alice.reply(root, "no, wait")
        for card in cards:
            await card.wait_until_closed("withdrawn, or replaced by a new instruction")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert work.bot.recording_tools.runs == []


async def test_a_card_that_is_gone_is_followed_by_what_became_of_it(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        card.message.is_deleted = True
        request = await work.bot.wait_for_request(await work.thread_id_for(root))
        await work.bot.answer_request(request, "deny", person_key="carol")
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(root, "denied by Carol Diaz (terminal)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        work.slack.expect_error("chat.update", "message_not_found")


@on_every_setup
async def test_a_card_from_before_a_restart_is_clicked_after_it(
    database_url: str, running_bot, transport: Transport
) -> None:
    workshop = RecordingTools()
    async with fake_slack(FakeClock(), socket_mode=transport == "socket") as slack:
        told = {"recording_tools": workshop, "transport": transport}
        async with slack_bot_in(slack, running_bot, Database.open(database_url), ScriptedModel(SHIP), **told) as work:
            root = await work.alice.mention_bot("ship v1", channel=OPS)
            card = await work.bob.wait_for_card(root, approval="ship")
            await work.bot.wait_for_request(await work.thread_id_for(root))
        async with slack_bot_in(
            slack, running_bot, Database.open(database_url), ScriptedModel(DONE), run="b", **told
        ) as work:
            await card.click("Approve", actor=work.bob)
            await card.wait_until_closed("approved by Bob Ito (slack)")
            await work.advance_clock(seconds=1)
            await work.alice.wait_for_reply(root, "Done.")
            assert [what for _, what in workshop.runs] == ["ship v1"]
