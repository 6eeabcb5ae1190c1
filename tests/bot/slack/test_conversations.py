"""Who is heard on Slack, where, and how often: each thread there is one of ours, and everything counts once."""

import asyncio

from agents.addresses import person_address
from agents.agent import Agent
from agents.command_model import CommandModel
from agents.commands import Command, Commands
from agents.completion import Completion, CompletionOutcome
from agents.events import MessageReceived
from agents.messages import Provenance
from agents.model import ModelRequest, OnPartialReply
from agents.policy import ApprovalTerms, Rule
from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.message import Message

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(commands=(Command(say=("ship {tag}",), does="ships", step={"intent": "ship", "tag": "{tag}"}),))


class GreetingModel:
    """A model that greets, however often it is asked."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        return Completion(outcome=CompletionOutcome.OK, model="polite", step=DoneForNow(message="Hello."))


def saying(*words: str) -> ScriptedModel:
    return ScriptedModel(*(DoneForNow(message=text) for text in words))


async def heard(work: SlackHarness, root: Message) -> list[MessageReceived]:
    """What the log of the thread at a message has of what was said."""
    log = await work.bot.events(await work.thread_id_for(root))
    return [event for event in log if isinstance(event, MessageReceived)]


def threads(work: SlackHarness) -> set[str]:
    return {commit.after.thread_id for commit in work.bot.commits}


@on_every_setup
async def test_a_mention_that_slack_tells_twice_and_repeats_opens_one_thread(
    database: Database, running_bot, transport: Transport
) -> None:
    async with running_slack_bot(running_bot, database, saying("Hello."), transport=transport) as work:
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Hello.")
        for parcel, _ in tuple(work.slack.delivery_attempts):
            work.slack.redeliver(parcel)
        await work.slack.wait_until_quiet()
        assert [event.text for event in await heard(work, root)] == ["hi"]
        assert len(threads(work)) == 1


async def test_a_reply_in_a_thread_of_ours_is_heard_without_a_mention(
    database: Database, running_bot, transport: Transport
) -> None:
    async with running_slack_bot(running_bot, database, saying("Hello.", "Fine."), transport=transport) as work:
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Hello.")
        await work.bob.reply(root, "how are you?")
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(root, "Fine.")
        assert [(e.text, e.actor.id) for e in await heard(work, root)] == [("hi", "alice"), ("how are you?", "bob")]


async def test_what_is_said_among_people_is_not_heard(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as work:
        root = await work.alice.post_message("lunch?", channel=OPS)
        await work.bob.reply(root, "yes")
        await work.slack.wait_until_quiet()
        assert threads(work) == set()


async def test_a_mention_in_a_thread_of_others_is_answered_there_and_opens_it_to_us(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, saying("Pizza.", "Noon.")) as work:
        root = await work.alice.post_message("lunch?", channel=OPS)
        await work.bob.reply(root, "what about it?")
        await work.bob.mention_bot("what do we eat?", channel=OPS, thread=root)
        await work.bob.wait_for_reply(root, "Pizza.")
        await work.alice.reply(root, "and when?")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Noon.")
        assert [event.text for event in await heard(work, root)] == ["what do we eat?", "and when?"]


async def test_each_direct_message_begins_a_thread_and_is_answered_in_it(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("One.", "Two.", "Three.")) as work:
        first = await work.alice.send_direct_message("one")
        await work.alice.wait_for_reply(first, "One.")
        second = await work.alice.send_direct_message("two")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(second, "Two.")
        await work.alice.send_direct_message("three", thread=first)
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(first, "Three.")
        assert len(threads(work)) == 2
        assert [event.text for event in await heard(work, first)] == ["one", "three"]


async def test_bots_links_that_unfold_and_our_own_words_start_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("See https://example.com.")) as work:
        root = await work.alice.mention_bot("where is it?", channel=OPS)
        said = await work.alice.wait_for_reply(root, "See")
        robot = work.slack.add_bot("jenkins", "B0JENKINS")
        robot.post_message(f"<@{work.slack.app.user}> build failed", channel=OPS)
        robot.post_message("build failed", channel=OPS, thread=root)
        work.slack.unfurl(root, "https://example.com")
        work.slack.unfurl(said.message, "https://example.com")
        await work.slack.wait_until_quiet()
        assert len(threads(work)) == 1
        assert [event.text for event in await heard(work, root)] == ["where is it?"]


async def test_two_mentions_at_once_open_two_threads(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("Hello.", "Hello.")) as work:
        roots = await asyncio.gather(
            work.alice.mention_bot("hi", channel=OPS), work.bob.mention_bot("hi", channel="C0DEV", thread=None)
        )
        await work.alice.wait_for_reply(roots[0], "Hello.")
        await work.bob.wait_for_reply(roots[1], "Hello.")
        assert [(await heard(work, root))[0].actor.id for root in roots] == ["alice", "bob"]


@on_every_setup
async def test_two_mentions_at_once_in_one_place_meet_in_one_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, GreetingModel()) as work:
        root = await work.carol.post_message("look at this", channel=OPS)
        await asyncio.gather(*(who.mention_bot("hi", channel=OPS, thread=root) for who in (work.alice, work.bob)))
        await work.slack.wait_until_quiet()
        await work.bot.wait_until(await work.thread_id_for(root), lambda s: s.status == "done")
        for _ in range((await work.event_types(root)).count("ReplyChosen")):
            await work.alice.wait_for_reply(root, "Hello.")
            await work.advance_clock(seconds=1)
        assert sorted(event.actor.id for event in await heard(work, root)) == ["alice", "bob"]
        assert len(threads(work)) == 1


async def test_somebody_of_another_workspace_is_not_heard(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("Hello.")) as work:
        guest = work.slack.add_person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mention_bot("ship v1", channel=OPS)
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Hello.")
        await guest.reply(root, "ship v1")
        await work.slack.wait_until_quiet()
        assert len(threads(work)) == 1
        assert [event.text for event in await heard(work, root)] == ["hi"]


async def test_a_teammate_we_do_not_know_is_heard_unverified_and_decides_nothing(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel({"intent": "ship", "tag": "v1"})) as work:
        root = await work.eve.mention_bot("ship v1", channel=OPS)
        card = await work.eve.wait_for_card(root, approval="ship")
        (said,) = await heard(work, root)
        assert (said.actor, said.provenance) == ("slack:T0TEAM/U0EVE", Provenance.UNVERIFIED)
        await card.click("Approve", actor=work.eve)
        assert "not among those who may decide" in (await work.eve.wait_for_ephemeral()).text
        frank = work.slack.add_person("frank", "U0FRANK")
        await card.click("Deny", actor=frank)
        assert "not among those who may decide" in (await frank.wait_for_ephemeral()).text
        assert work.bot.recording_tools.runs == []


async def test_an_agent_is_called_by_its_name(database: Database, running_bot) -> None:
    oncall = Agent(name="oncall", purpose="watches", instructions="Watch.", tools=())
    async with running_slack_bot(running_bot, database, saying("Nothing burns."), other_agents=(oncall,)) as work:
        root = await work.alice.mention_bot("Oncall: what burns?", channel=OPS)
        await work.alice.wait_for_reply(root, "Nothing burns.")
        state = await work.bot.bot.engine.load(await work.thread_id_for(root))
        assert (state.agent, [event.text for event in await heard(work, root)]) == ("oncall", ["what burns?"])


async def test_files_are_named_and_a_reply_without_a_word_is_none(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("I see.", "Thanks.")) as work:
        root = await work.alice.mention_bot("look", channel=OPS)
        await work.alice.wait_for_reply(root, "I see.")
        files = [{"id": "F0LOG", "name": "app.log", "mimetype": "text/plain"}]
        await work.alice.post_message("", channel=OPS, thread=root, subtype="file_share", files=files)
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Thanks.")
        await work.alice.post_message("", channel=OPS, thread=root)
        await work.alice.mention_bot("", channel=OPS, thread=root)
        await work.slack.wait_until_quiet()
        assert [event.text for event in await heard(work, root)] == ["look", "(attached: app.log)"]


async def test_a_mention_without_a_word_asks_for_help(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("I ship.")) as work:
        root = await work.alice.mention_bot("", channel=OPS)
        await work.alice.wait_for_reply(root, "I ship.")
        assert [event.text for event in await heard(work, root)] == ["help"]


async def test_a_direct_message_without_a_word_answers_no_question(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with running_slack_bot(running_bot, database, ScriptedModel(question)) as work:
        root = await work.alice.send_direct_message("ship")
        await work.alice.wait_for_card(root, "Which one?")
        await work.alice.send_direct_message("", thread=root)
        await work.slack.wait_until_quiet()
        assert (await work.bot.wait_for_request(await work.thread_id_for(root))).status == "open"


async def test_an_edit_into_another_order_takes_the_request_back(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, SHIP | {"tag": "v2"})
    async with running_slack_bot(running_bot, database, model, commands=COMMANDS) as work:
        root = await work.alice.mention_bot("helper: ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, "v1", approval="ship")
        await work.alice.edit_message(root, f"<@{work.slack.app.user}> helper: ship v2")
        assert "withdrawn, or replaced by a new instruction" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_card(root, "v2", approval="ship")
        assert (await work.event_types(root)).count("MessageEdited") == 1


async def test_a_message_with_replies_that_is_deleted_takes_its_request_back(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await work.alice.delete_message(root)
        assert "taken back" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Never mind.")
        assert "MessageDeleted" in await work.event_types(root)
        assert work.bot.recording_tools.runs == []


async def test_a_remark_that_is_edited_or_deleted_is_noted_and_nothing_else(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("Hello.", "Good.")) as work:
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Hello.")
        remark = await work.bob.reply(root, "looks god")
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(root, "Good.")
        await work.bob.edit_message(remark, "looks good")
        await work.bob.delete_message(remark)
        await work.slack.wait_until_quiet()
        assert (await work.event_types(root))[-2:] == ["MessageEdited", "MessageDeleted"]


async def test_a_shortcut_on_a_message_asks_about_it_in_its_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("It is full.")) as work:
        alert = await work.eve.post_message("disk full on db1", channel=OPS)
        await work.alice.use_shortcut("handrail.ask", on=alert)
        await work.alice.wait_for_reply(alert, "It is full.")
        (said,) = await heard(work, alert)
        assert (said.text, said.actor.id) == ("disk full on db1", "alice")
        assert (said.provenance, said.author) == (Provenance.UNVERIFIED, "slack:T0TEAM/U0EVE")


ALERT = {
    "color": "danger", "fallback": "[FIRING] disk full", "pretext": "prod", "title": "Disk full",
    "title_link": "https://grafana.example/d/1", "text": "db1 is at &gt;95%", "footer": "Grafana",
    "fields": [{"title": "host", "value": "db1", "short": True}, {"title": "", "value": "see runbook"}],
}  # fmt: skip
ALARM = "prod\nDisk full\ndb1 is at >95%\nhost: db1\nsee runbook"


async def test_a_shortcut_on_an_alert_asks_about_its_attachments(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("It is full.")) as work:
        alert = work.slack.add_bot("grafana", "B0GRAFANA").post_alert(ALERT, channel=OPS)
        await work.alice.use_shortcut("handrail.ask", on=alert)
        await work.alice.wait_for_reply(alert, "It is full.")
        (said,) = await heard(work, alert)
        assert (said.text, said.provenance, said.author) == (ALARM, Provenance.UNVERIFIED, "grafana")


async def test_a_forwarded_message_is_heard_as_words_of_its_writer(database: Database, running_bot) -> None:
    model = saying("I see.")
    async with running_slack_bot(running_bot, database, model) as work:
        alert = await work.eve.post_message("disk full on db1", channel="C0DEV")
        root = await work.alice.forward_to_bot(alert)
        await work.alice.wait_for_reply(root, "I see.")
        (said,) = await heard(work, root)
        assert (said.text, said.actor.id, said.author) == ("disk full on db1", "alice", "Eve (U0EVE)")
        assert said.provenance == Provenance.UNVERIFIED
        assert not (await work.bot.bot.engine.load(await work.thread_id_for(root))).is_trusted


async def test_own_words_beside_a_forwarded_message_stay_the_own_words(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, saying("I see.")) as work:
        alert = work.slack.add_bot("grafana", "B0GRAFANA").post_alert(ALERT, channel="C0DEV")
        us = f"<@{work.slack.app.user}>"
        root = await work.alice.forward(alert, f"{us} what about this?", channel=OPS)
        await work.alice.wait_for_reply(root, "I see.")
        own, *quotes = await heard(work, root)
        assert (own.text, own.provenance, own.author) == ("what about this?", Provenance.VERIFIED_PERSON, None)
        assert [(q.text, q.provenance, q.author) for q in quotes] == [(ALARM, Provenance.UNVERIFIED, "grafana")]
        assert own.ref == f"{OPS}:{root.ts}"


async def test_a_forwarded_order_is_no_order_of_who_forwards_it(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, CommandModel(), commands=COMMANDS) as work:
        order = await work.bob.post_message("ship v1", channel="C0DEV")
        root = await work.alice.forward_to_bot(order)
        await work.alice.wait_for_reply(root, "no instruction to me")
        assert "ToolCalled" not in await work.event_types(root)


async def test_a_forwarded_yes_answers_no_question(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Really?", "format": "yes_no"}
    async with running_slack_bot(running_bot, database, ScriptedModel(question)) as work:
        yes = await work.bob.post_message("yes", channel="C0DEV")
        root = await work.alice.send_direct_message("ship")
        await work.alice.wait_for_card(root, "Really?")
        await work.alice.forward(yes, channel=root.channel, thread=root)
        await work.slack.wait_until_quiet()
        assert (await work.bot.wait_for_request(await work.thread_id_for(root))).status == "open"


async def test_a_message_whose_words_beside_a_quote_are_deleted_takes_its_request_back(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))) as work:
        alert = await work.eve.post_message("v1 is ready", channel="C0DEV")
        root = await work.alice.forward(alert, f"<@{work.slack.app.user}> ship it", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await work.alice.delete_message(root)
        assert "taken back" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Never mind.")


async def test_who_points_us_to_a_message_where_we_are_not_is_asked_to_invite_us(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, saying("It is full.")) as work:
        work.slack.add_channel("C0SECRET", has_bot=False)
        alert = await work.eve.post_message("disk full on db1", channel="C0SECRET")
        await work.alice.use_shortcut("handrail.ask", on=alert)
        await work.alice.wait_for_ephemeral("Invite me")
        assert (await work.alice.wait_for_reply(text="It is full.")).message.channel == "D0ALICE"
        await work.bot.wait_until_settled(await work.thread_id_for(alert))
        for method in ("chat.postMessage", "conversations.replies"):
            work.slack.expect_error(method, "not_in_channel")


async def test_a_question_is_answered_by_a_reply_in_the_thread(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with running_slack_bot(
        running_bot, database, ScriptedModel(question, DoneForNow(message="v2 it is."))
    ) as work:
        root = await work.alice.mention_bot("ship", channel=OPS)
        card = await work.alice.wait_for_card(root, "Which one?")
        await work.alice.reply(root, "v2")
        assert "answered by Alice Ng (slack): v2" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "v2 it is.")


async def test_whoever_speaks_in_a_cancelled_thread_is_told_so_once_and_alone(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await work.bot.bot.thread_control.cancel(await work.thread_id_for(root), person_address("bob"))
        await card.wait_until_closed("cancelled with its thread")
        await work.bob.reply(root, "why?")
        assert "is cancelled; open a new one" in (await work.bob.wait_for_ephemeral()).text
        await work.alice.mention_bot("again, please", channel=OPS, thread=root)
        assert "is cancelled; open a new one" in (await work.alice.wait_for_ephemeral()).text
        for parcel, _ in tuple(work.slack.delivery_attempts):
            work.slack.redeliver(parcel)
        await work.slack.wait_until_quiet()
        assert [event.text for event in await heard(work, root)] == ["ship v1"]


async def test_words_under_a_card_get_one_line_and_approve_nothing(database: Database, running_bot) -> None:
    two = (Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2)),)
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=two) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        await work.bob.wait_for_card(root, approval="ship")
        for text in ("looks good", "to me", "and to everyone"):
            await work.bob.reply(root, text)
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(root, "0 of 2, until 09:30 UTC; use the buttons above.")
        await work.slack.wait_until_quiet()
        assert len(lines(work, root)) == 1
        await work.advance_clock(seconds=10)
        await work.bob.reply(root, "ok")
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(root, "A message never approves.")
        await work.slack.wait_until_quiet()
        assert len(lines(work, root)) == 2
        assert work.bot.recording_tools.runs == []


def lines(work: SlackHarness, root: Message) -> list[str]:
    """What the bot said in a thread about a request that waits."""
    messages = [m for m in work.slack.workspace.thread_messages(root.channel, root.ts) if "still waits for" in m.text]
    return [message.text for message in messages]
