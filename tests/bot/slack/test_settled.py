"""However a request ends, every card of it on Slack says so and has no buttons; whoever presses late is told alone."""

from agents.addresses import Address, person
from agents.policy import Ask, Escalation, Rule
from agents.requests import Request
from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.workplace import OPS, Transport, Workplace, bot_among, everywhere, workplace
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import fake_slack
from tests.houses import Workshop

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
BOB = Address("slack:U0BOB")
TERMS = Ask(roles=("release",), remind=(60,), escalate=(Escalation(after=120, to=BOB),), expires=600)
RULES = (Rule(name="widely", tool="ship", ask=TERMS),)


async def copies(work: Workplace, root: Message) -> list[Card]:
    """The card in the thread, its reminder, and what Bob was written."""
    first = await work.bob.sees(root, approval="ship")
    await work.later(seconds=60)
    reminder = await work.bob.hears(root, "wants to run ship")
    await work.later(seconds=60)
    card = await written(work)
    await work.later(seconds=1)
    await work.alice.hears(root, "yet; I asked Bob Ito on Slack.")
    return [first, reminder, card]


async def written(work: Workplace) -> Card:
    """The card in Bob's conversation with us, which is a message of its own."""
    place = work.slack.workspace.direct("U0BOB").id
    card = await work.bob.hears(text="wants to run ship")
    assert card.message.channel == place
    return card


async def request_of(work: Workplace, root: Message) -> Request:
    """The only one of the thread, with all three cards in the log."""
    state = await work.home.until(await work.thread_of(root), lambda s: s.request and len(s.request.cards) == 3)
    assert state.request is not None
    return state.request


@everywhere
async def test_a_click_settles_every_copy_and_each_later_click_is_told_what_happened(database: Database, house) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with workplace(house, database, model, rules=RULES) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        cards = await copies(work, root)
        await cards[2].click("Approve", by=work.bob)
        for card in cards:
            settled = await card.settled("approved by Bob Ito (slack)")
            assert "<!date^" in str(card.message.blocks)
            assert settled.startswith("helper wants to run ship")
        await cards[0].click("Approve", by=work.carol)
        await cards[1].click("Deny", by=work.carol)
        await cards[2].click("Approve", by=work.bob)
        for who in (work.carol, work.carol, work.bob):
            assert "is settled: approved by Bob Ito (slack)" in (await who.told()).text
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        assert [what for _, what in work.home.workshop.done] == ["ship v1"]


async def test_a_click_that_arrives_twice_counts_once(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        await card.click("Approve", by=work.eve)
        await work.eve.told("not among those who may decide")
        await card.click("Approve", by=work.bob)
        await card.settled("approved by Bob Ito (slack)")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        for parcel, _ in tuple(work.slack.brought):
            work.slack.repeats(parcel)
        await work.slack.quiet()
        work.slack.overlooks_notes()  # a stranger's click leaves nothing, so the stranger is told again
        assert (await work.story(root)).count("RequestAnswered") == 1
        assert [what for _, what in work.home.workshop.done] == ["ship v1"]


async def test_an_answer_from_elsewhere_settles_every_copy_and_says_from_where(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        cards = await copies(work, root)
        await work.home.answers(await request_of(work, root), "approve", by="carol")
        for card in cards:
            await card.settled("approved by Carol Diaz (terminal)")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")


async def test_what_ran_out_is_told_as_a_timeout_on_every_copy(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.later(minutes=10)
        for card in cards:
            await card.settled("nobody answered in time")
        await cards[0].click("Approve", by=work.bob)
        await work.bob.told("nobody answered in time")
        await cards[1].click("Deny", by=work.bob)
        await work.bob.told("nobody answered in time")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        assert work.home.workshop.done == []


async def test_a_cancelled_thread_takes_the_buttons_from_every_copy(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP), rules=RULES) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.home.bot.steering.cancel(await work.thread_of(root), person("alice"))
        for card in cards:
            await card.settled("cancelled with its thread")
        await cards[0].click("Approve", by=work.bob)
        await work.bob.told("cancelled with its thread")


async def test_a_new_instruction_takes_the_buttons_from_every_copy(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=RULES) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        cards = await copies(work, root)
        await request_of(work, root)
        await work.alice.replies(root, "no, wait")
        for card in cards:
            await card.settled("taken back, or replaced by a new instruction")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        assert work.home.workshop.done == []


async def test_a_card_that_is_gone_is_followed_by_what_became_of_it(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        card.message.gone = True
        request = await work.home.asked(await work.thread_of(root))
        await work.home.answers(request, "deny", by="carol")
        await work.later(seconds=1)
        await work.bob.hears(root, "denied by Carol Diaz (terminal)")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")
        work.slack.refused("chat.update", "message_not_found")


@everywhere
async def test_a_card_from_before_a_restart_is_clicked_after_it(database_url: str, house, transport: Transport) -> None:
    workshop = Workshop()
    async with fake_slack(FakeClock(), socket_mode=transport == "socket") as slack:
        told = {"workshop": workshop, "transport": transport}
        async with bot_among(slack, house, Database.open(database_url), ScriptedModel(SHIP), **told) as work:
            root = await work.alice.mentions("ship v1", channel=OPS)
            card = await work.bob.sees(root, approval="ship")
            await work.home.asked(await work.thread_of(root))
        async with bot_among(slack, house, Database.open(database_url), ScriptedModel(DONE), run="b", **told) as work:
            await card.click("Approve", by=work.bob)
            await card.settled("approved by Bob Ito (slack)")
            await work.later(seconds=1)
            await work.alice.hears(root, "Done.")
            assert [what for _, what in workshop.done] == ["ship v1"]
