"""Who is heard on Slack, where, and how often: each thread there is one of ours, and everything counts once."""

import asyncio

from agents.addresses import person
from agents.agent import Agent
from agents.command_model import CommandModel
from agents.commands import Command, Commands
from agents.completion import Completion, Outcome
from agents.events import MessageReceived
from agents.messages import Provenance
from agents.model import Turn, Words
from agents.policy import Ask, Rule
from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.workplace import OPS, Transport, Workplace, everywhere, workplace
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.message import Message

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(commands=(Command(say=("ship {tag}",), does="ships", step={"intent": "ship", "tag": "{tag}"}),))


class Polite:
    """A model that greets, however often it is asked."""

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        return Completion(outcome=Outcome.OK, model="polite", step=DoneForNow(message="Hello."))


def saying(*words: str) -> ScriptedModel:
    return ScriptedModel(*(DoneForNow(message=text) for text in words))


async def heard(work: Workplace, root: Message) -> list[MessageReceived]:
    """What the log of the thread at a message has of what was said."""
    log = await work.home.log(await work.thread_of(root))
    return [event for event in log if isinstance(event, MessageReceived)]


def threads(work: Workplace) -> set[str]:
    return {commit.after.thread_id for commit in work.home.commits}


@everywhere
async def test_a_mention_that_slack_tells_twice_and_repeats_opens_one_thread(
    database: Database, house, transport: Transport
) -> None:
    async with workplace(house, database, saying("Hello."), transport=transport) as work:
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Hello.")
        for parcel, _ in tuple(work.slack.brought):
            work.slack.repeats(parcel)
        await work.slack.quiet()
        assert [event.text for event in await heard(work, root)] == ["hi"]
        assert len(threads(work)) == 1


async def test_a_reply_in_a_thread_of_ours_is_heard_without_a_mention(
    database: Database, house, transport: Transport
) -> None:
    async with workplace(house, database, saying("Hello.", "Fine."), transport=transport) as work:
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Hello.")
        await work.bob.replies(root, "how are you?")
        await work.later(seconds=1)
        await work.bob.hears(root, "Fine.")
        assert [(e.text, e.actor.rest) for e in await heard(work, root)] == [("hi", "alice"), ("how are you?", "bob")]


async def test_what_is_said_among_people_is_not_heard(database: Database, house) -> None:
    async with workplace(house, database) as work:
        root = await work.alice.says("lunch?", channel=OPS)
        await work.bob.replies(root, "yes")
        await work.slack.quiet()
        assert threads(work) == set()


async def test_a_mention_in_a_thread_of_others_is_answered_there_and_opens_it_to_us(database: Database, house) -> None:
    async with workplace(house, database, saying("Pizza.", "Noon.")) as work:
        root = await work.alice.says("lunch?", channel=OPS)
        await work.bob.replies(root, "what about it?")
        await work.bob.mentions("what do we eat?", channel=OPS, thread=root)
        await work.bob.hears(root, "Pizza.")
        await work.alice.replies(root, "and when?")
        await work.later(seconds=1)
        await work.alice.hears(root, "Noon.")
        assert [event.text for event in await heard(work, root)] == ["what do we eat?", "and when?"]


async def test_each_direct_message_begins_a_thread_and_is_answered_in_it(database: Database, house) -> None:
    async with workplace(house, database, saying("One.", "Two.", "Three.")) as work:
        first = await work.alice.writes("one")
        await work.alice.hears(first, "One.")
        second = await work.alice.writes("two")
        await work.later(seconds=1)
        await work.alice.hears(second, "Two.")
        await work.alice.writes("three", thread=first)
        await work.later(seconds=1)
        await work.alice.hears(first, "Three.")
        assert len(threads(work)) == 2
        assert [event.text for event in await heard(work, first)] == ["one", "three"]


async def test_bots_links_that_unfold_and_our_own_words_start_nothing(database: Database, house) -> None:
    async with workplace(house, database, saying("See https://example.com.")) as work:
        root = await work.alice.mentions("where is it?", channel=OPS)
        said = await work.alice.hears(root, "See")
        robot = work.slack.robot("jenkins", "B0JENKINS")
        robot.says(f"<@{work.slack.app.user}> build failed", channel=OPS)
        robot.says("build failed", channel=OPS, thread=root)
        work.slack.unfolds(root, "https://example.com")
        work.slack.unfolds(said.message, "https://example.com")
        await work.slack.quiet()
        assert len(threads(work)) == 1
        assert [event.text for event in await heard(work, root)] == ["where is it?"]


async def test_two_mentions_at_once_open_two_threads(database: Database, house) -> None:
    async with workplace(house, database, saying("Hello.", "Hello.")) as work:
        roots = await asyncio.gather(
            work.alice.mentions("hi", channel=OPS), work.bob.mentions("hi", channel="C0DEV", thread=None)
        )
        await work.alice.hears(roots[0], "Hello.")
        await work.bob.hears(roots[1], "Hello.")
        assert [(await heard(work, root))[0].actor.rest for root in roots] == ["alice", "bob"]


@everywhere
async def test_two_mentions_at_once_in_one_place_meet_in_one_thread(database: Database, house) -> None:
    async with workplace(house, database, Polite()) as work:
        root = await work.carol.says("look at this", channel=OPS)
        await asyncio.gather(*(who.mentions("hi", channel=OPS, thread=root) for who in (work.alice, work.bob)))
        await work.slack.quiet()
        await work.home.until(await work.thread_of(root), lambda s: s.status == "done")
        for _ in range((await work.story(root)).count("ReplyChosen")):
            await work.alice.hears(root, "Hello.")
            await work.later(seconds=1)
        assert sorted(event.actor.rest for event in await heard(work, root)) == ["alice", "bob"]
        assert len(threads(work)) == 1


async def test_somebody_of_another_workspace_is_not_heard(database: Database, house) -> None:
    async with workplace(house, database, saying("Hello.")) as work:
        guest = work.slack.person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mentions("ship v1", channel=OPS)
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Hello.")
        await guest.replies(root, "ship v1")
        await work.slack.quiet()
        assert len(threads(work)) == 1
        assert [event.text for event in await heard(work, root)] == ["hi"]


async def test_a_teammate_we_do_not_know_is_heard_unverified_and_decides_nothing(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel({"intent": "ship", "tag": "v1"})) as work:
        root = await work.eve.mentions("ship v1", channel=OPS)
        card = await work.eve.sees(root, approval="ship")
        (said,) = await heard(work, root)
        assert (said.actor, said.provenance) == ("slack:T0TEAM/U0EVE", Provenance.UNVERIFIED)
        await card.click("Approve", by=work.eve)
        assert "not among those who may decide" in (await work.eve.told()).text
        frank = work.slack.person("frank", "U0FRANK")
        await card.click("Deny", by=frank)
        assert "not among those who may decide" in (await frank.told()).text
        assert work.home.workshop.done == []


async def test_an_agent_is_called_by_its_name(database: Database, house) -> None:
    oncall = Agent(name="oncall", purpose="watches", instructions="Watch.", tools=())
    async with workplace(house, database, saying("Nothing burns."), others=(oncall,)) as work:
        root = await work.alice.mentions("Oncall: what burns?", channel=OPS)
        await work.alice.hears(root, "Nothing burns.")
        state = await work.home.bot.engine.load(await work.thread_of(root))
        assert (state.agent, [event.text for event in await heard(work, root)]) == ("oncall", ["what burns?"])


async def test_files_are_named_and_a_reply_without_a_word_is_none(database: Database, house) -> None:
    async with workplace(house, database, saying("I see.", "Thanks.")) as work:
        root = await work.alice.mentions("look", channel=OPS)
        await work.alice.hears(root, "I see.")
        files = [{"id": "F0LOG", "name": "app.log", "mimetype": "text/plain"}]
        await work.alice.says("", channel=OPS, thread=root, subtype="file_share", files=files)
        await work.later(seconds=1)
        await work.alice.hears(root, "Thanks.")
        await work.alice.says("", channel=OPS, thread=root)
        await work.alice.mentions("", channel=OPS, thread=root)
        await work.slack.quiet()
        assert [event.text for event in await heard(work, root)] == ["look", "(attached: app.log)"]


async def test_a_mention_without_a_word_asks_for_help(database: Database, house) -> None:
    async with workplace(house, database, saying("I ship.")) as work:
        root = await work.alice.mentions("", channel=OPS)
        await work.alice.hears(root, "I ship.")
        assert [event.text for event in await heard(work, root)] == ["help"]


async def test_a_direct_message_without_a_word_answers_no_question(database: Database, house) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with workplace(house, database, ScriptedModel(question)) as work:
        root = await work.alice.writes("ship")
        await work.alice.sees(root, "Which one?")
        await work.alice.writes("", thread=root)
        await work.slack.quiet()
        assert (await work.home.asked(await work.thread_of(root))).status == "open"


async def test_an_edit_into_another_order_takes_the_request_back(database: Database, house) -> None:
    model = ScriptedModel(SHIP, SHIP | {"tag": "v2"})
    async with workplace(house, database, model, commands=COMMANDS) as work:
        root = await work.alice.mentions("helper: ship v1", channel=OPS)
        card = await work.bob.sees(root, "v1", approval="ship")
        await work.alice.edits(root, f"<@{work.slack.app.user}> helper: ship v2")
        assert "taken back, or replaced by a new instruction" in await card.settled()
        await work.later(seconds=1)
        await work.bob.sees(root, "v2", approval="ship")
        assert (await work.story(root)).count("MessageEdited") == 1


async def test_a_message_with_replies_that_is_deleted_takes_its_request_back(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        await work.alice.deletes(root)
        assert "taken back" in await card.settled()
        await work.later(seconds=1)
        await work.alice.hears(root, "Never mind.")
        assert "MessageDeleted" in await work.story(root)
        assert work.home.workshop.done == []


async def test_a_remark_that_is_edited_or_deleted_is_noted_and_nothing_else(database: Database, house) -> None:
    async with workplace(house, database, saying("Hello.", "Good.")) as work:
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Hello.")
        remark = await work.bob.replies(root, "looks god")
        await work.later(seconds=1)
        await work.bob.hears(root, "Good.")
        await work.bob.edits(remark, "looks good")
        await work.bob.deletes(remark)
        await work.slack.quiet()
        assert (await work.story(root))[-2:] == ["MessageEdited", "MessageDeleted"]


async def test_a_shortcut_on_a_message_asks_about_it_in_its_thread(database: Database, house) -> None:
    async with workplace(house, database, saying("It is full.")) as work:
        alert = await work.eve.says("disk full on db1", channel=OPS)
        await work.alice.uses_shortcut("handrail.ask", on=alert)
        await work.alice.hears(alert, "It is full.")
        (said,) = await heard(work, alert)
        assert (said.text, said.actor.rest) == ("disk full on db1", "alice")
        assert (said.provenance, said.author) == (Provenance.UNVERIFIED, "slack:T0TEAM/U0EVE")


ALERT = {
    "color": "danger", "fallback": "[FIRING] disk full", "pretext": "prod", "title": "Disk full",
    "title_link": "https://grafana.example/d/1", "text": "db1 is at &gt;95%", "footer": "Grafana",
    "fields": [{"title": "host", "value": "db1", "short": True}, {"title": "", "value": "see runbook"}],
}  # fmt: skip
ALARM = "prod\nDisk full\ndb1 is at >95%\nhost: db1\nsee runbook"


async def test_a_shortcut_on_an_alert_asks_about_its_attachments(database: Database, house) -> None:
    async with workplace(house, database, saying("It is full.")) as work:
        alert = work.slack.robot("grafana", "B0GRAFANA").alerts(ALERT, channel=OPS)
        await work.alice.uses_shortcut("handrail.ask", on=alert)
        await work.alice.hears(alert, "It is full.")
        (said,) = await heard(work, alert)
        assert (said.text, said.provenance, said.author) == (ALARM, Provenance.UNVERIFIED, "grafana")


async def test_a_forwarded_message_is_heard_as_words_of_its_writer(database: Database, house) -> None:
    model = saying("I see.")
    async with workplace(house, database, model) as work:
        alert = await work.eve.says("disk full on db1", channel="C0DEV")
        root = await work.alice.forwards_to_the_bot(alert)
        await work.alice.hears(root, "I see.")
        (said,) = await heard(work, root)
        assert (said.text, said.actor.rest, said.author) == ("disk full on db1", "alice", "Eve (U0EVE)")
        assert said.provenance == Provenance.UNVERIFIED
        assert not (await work.home.bot.engine.load(await work.thread_of(root))).is_trusted


async def test_own_words_beside_a_forwarded_message_stay_the_own_words(database: Database, house) -> None:
    async with workplace(house, database, saying("I see.")) as work:
        alert = work.slack.robot("grafana", "B0GRAFANA").alerts(ALERT, channel="C0DEV")
        us = f"<@{work.slack.app.user}>"
        root = await work.alice.forwards(alert, f"{us} what about this?", channel=OPS)
        await work.alice.hears(root, "I see.")
        own, *quotes = await heard(work, root)
        assert (own.text, own.provenance, own.author) == ("what about this?", Provenance.VERIFIED_PERSON, None)
        assert [(q.text, q.provenance, q.author) for q in quotes] == [(ALARM, Provenance.UNVERIFIED, "grafana")]
        assert own.ref == f"{OPS}:{root.ts}"


async def test_a_forwarded_order_is_no_order_of_who_forwards_it(database: Database, house) -> None:
    async with workplace(house, database, CommandModel(), commands=COMMANDS) as work:
        order = await work.bob.says("ship v1", channel="C0DEV")
        root = await work.alice.forwards_to_the_bot(order)
        await work.alice.hears(root, "no instruction to me")
        assert "ToolCalled" not in await work.story(root)


async def test_a_forwarded_yes_answers_no_question(database: Database, house) -> None:
    question = {"intent": "request_human_input", "question": "Really?", "format": "yes_no"}
    async with workplace(house, database, ScriptedModel(question)) as work:
        yes = await work.bob.says("yes", channel="C0DEV")
        root = await work.alice.writes("ship")
        await work.alice.sees(root, "Really?")
        await work.alice.forwards(yes, channel=root.channel, thread=root)
        await work.slack.quiet()
        assert (await work.home.asked(await work.thread_of(root))).status == "open"


async def test_a_message_whose_words_beside_a_quote_are_deleted_takes_its_request_back(
    database: Database, house
) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))) as work:
        alert = await work.eve.says("v1 is ready", channel="C0DEV")
        root = await work.alice.forwards(alert, f"<@{work.slack.app.user}> ship it", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        await work.alice.deletes(root)
        assert "taken back" in await card.settled()
        await work.later(seconds=1)
        await work.alice.hears(root, "Never mind.")


async def test_who_points_us_to_a_message_where_we_are_not_is_asked_to_invite_us(database: Database, house) -> None:
    async with workplace(house, database, saying("It is full.")) as work:
        work.slack.channel("C0SECRET", joined=False)
        alert = await work.eve.says("disk full on db1", channel="C0SECRET")
        await work.alice.uses_shortcut("handrail.ask", on=alert)
        await work.alice.told("Invite me")
        assert (await work.alice.hears(text="It is full.")).message.channel == "D0ALICE"
        await work.home.at_rest(await work.thread_of(alert))
        for method in ("chat.postMessage", "conversations.replies"):
            work.slack.refused(method, "not_in_channel")


async def test_a_question_is_answered_by_a_reply_in_the_thread(database: Database, house) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with workplace(house, database, ScriptedModel(question, DoneForNow(message="v2 it is."))) as work:
        root = await work.alice.mentions("ship", channel=OPS)
        card = await work.alice.sees(root, "Which one?")
        await work.alice.replies(root, "v2")
        assert "answered by Alice Ng (slack): v2" in await card.settled()
        await work.later(seconds=1)
        await work.alice.hears(root, "v2 it is.")


async def test_whoever_speaks_in_a_cancelled_thread_is_told_so_once_and_alone(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.bob.sees(root, approval="ship")
        await work.home.bot.steering.cancel(await work.thread_of(root), person("bob"))
        await card.settled("cancelled with its thread")
        await work.bob.replies(root, "why?")
        assert "is cancelled; open a new one" in (await work.bob.told()).text
        await work.alice.mentions("again, please", channel=OPS, thread=root)
        assert "is cancelled; open a new one" in (await work.alice.told()).text
        for parcel, _ in tuple(work.slack.brought):
            work.slack.repeats(parcel)
        await work.slack.quiet()
        assert [event.text for event in await heard(work, root)] == ["ship v1"]


async def test_words_under_a_card_get_one_line_and_approve_nothing(database: Database, house) -> None:
    two = (Rule(name="two", tool="*", ask=Ask(roles=("release",), quorum=2)),)
    async with workplace(house, database, ScriptedModel(SHIP), rules=two) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        await work.bob.sees(root, approval="ship")
        for text in ("looks good", "to me", "and to everyone"):
            await work.bob.replies(root, text)
        await work.later(seconds=1)
        await work.bob.hears(root, "0 of 2, until 09:30 UTC; use the buttons above.")
        await work.slack.quiet()
        assert len(lines(work, root)) == 1
        await work.later(seconds=10)
        await work.bob.replies(root, "ok")
        await work.later(seconds=1)
        await work.bob.hears(root, "A message never approves.")
        await work.slack.quiet()
        assert len(lines(work, root)) == 2
        assert work.home.workshop.done == []


def lines(work: Workplace, root: Message) -> list[str]:
    """What the bot said in a thread about a request that waits."""
    messages = [m for m in work.slack.workspace.in_thread(root.channel, root.ts) if "still waits for" in m.text]
    return [message.text for message in messages]
