"""Slack messages reach the linked Handrail thread, or open one, exactly once."""

import asyncio

from agents.core.agent import Agent
from agents.core.commands import Command, Commands
from agents.core.completion import Completion, CompletionOutcome
from agents.core.events import MessageReceived
from agents.core.messages import Provenance
from agents.core.policy import ApprovalTerms, Rule
from agents.core.steps import DoneForNow
from agents.core.values import person_address
from agents.llm.base import ModelRequest, OnPartialReply
from agents.llm.offline.model import CommandModel
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.message import Message
from tests.harness.slack import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(commands=(Command(say=("ship {tag}",), does="ships", step={"intent": "ship", "tag": "{tag}"}),))


class GreetingModel:
    """Model that always replies with a greeting."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        return Completion(outcome=CompletionOutcome.OK, model="polite", step=DoneForNow(message="Hello."))


def build_replying_model(*texts: str) -> ScriptedModel:
    return ScriptedModel(*(DoneForNow(message=text) for text in texts))


async def load_received_messages(harness: SlackHarness, root: Message) -> list[MessageReceived]:
    """Return the received messages in the log of the thread of a Slack message."""
    log = await harness.bot_harness.events(await harness.thread_id_for(root))
    return [event for event in log if isinstance(event, MessageReceived)]


def list_thread_ids(harness: SlackHarness) -> set[str]:
    return {commit.after.thread_id for commit in harness.bot_harness.commits}


@on_every_setup
async def test_redelivered_mention_opens_one_thread(database: Database, running_bot, transport: Transport) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("Hello."), transport=transport) as harness:
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Hello.")
        for bot_request, _ in tuple(harness.slack.delivery_attempts):
            harness.slack.redeliver(bot_request)
        await harness.slack.wait_until_quiet()
        assert [event.text for event in await load_received_messages(harness, root)] == ["hi"]
        assert len(list_thread_ids(harness)) == 1


async def test_reply_in_a_linked_thread_needs_no_mention(database: Database, running_bot, transport: Transport) -> None:
    async with running_slack_bot(
        running_bot, database, build_replying_model("Hello.", "Fine."), transport=transport
    ) as harness:
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Hello.")
        await harness.bob.reply(root, "how are you?")
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(root, "Fine.")
        assert [(e.text, e.actor.id) for e in await load_received_messages(harness, root)] == [
            ("hi", "alice"),
            ("how are you?", "bob"),
        ]


async def test_ignores_messages_that_do_not_address_the_bot(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as harness:
        root = await harness.alice.post_message("lunch?", channel=OPS)
        await harness.bob.reply(root, "yes")
        await harness.slack.wait_until_quiet()
        assert list_thread_ids(harness) == set()


async def test_mention_links_an_existing_slack_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("Pizza.", "Noon.")) as harness:
        root = await harness.alice.post_message("lunch?", channel=OPS)
        await harness.bob.reply(root, "what about it?")
        await harness.bob.mention_bot("what do we eat?", channel=OPS, thread=root)
        await harness.bob.wait_for_reply(root, "Pizza.")
        await harness.alice.reply(root, "and when?")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Noon.")
        assert [event.text for event in await load_received_messages(harness, root)] == ["what do we eat?", "and when?"]


async def test_each_direct_message_opens_a_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("One.", "Two.", "Three.")) as harness:
        first = await harness.alice.send_direct_message("one")
        await harness.alice.wait_for_reply(first, "One.")
        second = await harness.alice.send_direct_message("two")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(second, "Two.")
        await harness.alice.send_direct_message("three", thread=first)
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(first, "Three.")
        assert len(list_thread_ids(harness)) == 2
        assert [event.text for event in await load_received_messages(harness, first)] == ["one", "three"]


async def test_bots_link_previews_and_own_messages_are_ignored(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("See https://example.com.")) as harness:
        root = await harness.alice.mention_bot("where is it?", channel=OPS)
        reply = await harness.alice.wait_for_reply(root, "See")
        jenkins = harness.slack.add_bot("jenkins", "B0JENKINS")
        jenkins.post_message(f"<@{harness.slack.app.user}> build failed", channel=OPS)
        jenkins.post_message("build failed", channel=OPS, thread=root)
        harness.slack.unfurl(root, "https://example.com")
        harness.slack.unfurl(reply.message, "https://example.com")
        await harness.slack.wait_until_quiet()
        assert len(list_thread_ids(harness)) == 1
        assert [event.text for event in await load_received_messages(harness, root)] == ["where is it?"]


async def test_two_concurrent_mentions_open_two_threads(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("Hello.", "Hello.")) as harness:
        roots = await asyncio.gather(
            harness.alice.mention_bot("hi", channel=OPS), harness.bob.mention_bot("hi", channel="C0DEV", thread=None)
        )
        await harness.alice.wait_for_reply(roots[0], "Hello.")
        await harness.bob.wait_for_reply(roots[1], "Hello.")
        assert [(await load_received_messages(harness, root))[0].actor.id for root in roots] == ["alice", "bob"]


@on_every_setup
async def test_concurrent_mentions_in_one_slack_thread_share_a_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, GreetingModel()) as harness:
        root = await harness.carol.post_message("look at this", channel=OPS)
        await asyncio.gather(
            *(person.mention_bot("hi", channel=OPS, thread=root) for person in (harness.alice, harness.bob))
        )
        await harness.slack.wait_until_quiet()
        await harness.bot_harness.wait_until(await harness.thread_id_for(root), lambda state: state.status == "done")
        for _ in range((await harness.event_types(root)).count("ReplyChosen")):
            await harness.alice.wait_for_reply(root, "Hello.")
            await harness.advance_clock(seconds=1)
        assert sorted(event.actor.id for event in await load_received_messages(harness, root)) == ["alice", "bob"]
        assert len(list_thread_ids(harness)) == 1


async def test_external_user_is_ignored(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("Hello.")) as harness:
        guest = harness.slack.add_person("gina", "U0GINA", team_id="T0OTHER")
        await guest.mention_bot("ship v1", channel=OPS)
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Hello.")
        await guest.reply(root, "ship v1")
        await harness.slack.wait_until_quiet()
        assert len(list_thread_ids(harness)) == 1
        assert [event.text for event in await load_received_messages(harness, root)] == ["hi"]


async def test_unlinked_user_is_unverified_and_decides_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel({"intent": "ship", "tag": "v1"})) as harness:
        root = await harness.eve.mention_bot("ship v1", channel=OPS)
        card = await harness.eve.wait_for_card(root, approval="ship")
        (message,) = await load_received_messages(harness, root)
        assert (message.actor, message.provenance) == ("slack:T0TEAM/U0EVE", Provenance.UNVERIFIED)
        await card.click("Approve", actor=harness.eve)
        assert "not allowed to decide" in (await harness.eve.wait_for_ephemeral()).text
        frank = harness.slack.add_person("frank", "U0FRANK")
        await card.click("Deny", actor=frank)
        assert "not allowed to decide" in (await frank.wait_for_ephemeral()).text
        assert harness.bot_harness.tool_call_recorder.runs == []


async def test_agent_is_addressed_by_its_name(database: Database, running_bot) -> None:
    oncall = Agent(name="oncall", purpose="watches", instructions="Watch.", tools=())
    async with running_slack_bot(
        running_bot, database, build_replying_model("Nothing burns."), other_agents=(oncall,)
    ) as harness:
        root = await harness.alice.mention_bot("Oncall: what burns?", channel=OPS)
        await harness.alice.wait_for_reply(root, "Nothing burns.")
        state = await harness.bot_harness.bot.engine.load(await harness.thread_id_for(root))
        assert (state.agent, [event.text for event in await load_received_messages(harness, root)]) == (
            "oncall",
            ["what burns?"],
        )


async def test_file_names_are_appended_and_empty_replies_ignored(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("I see.", "Thanks.")) as harness:
        root = await harness.alice.mention_bot("look", channel=OPS)
        await harness.alice.wait_for_reply(root, "I see.")
        files = [{"id": "F0LOG", "name": "app.log", "mimetype": "text/plain"}]
        await harness.alice.post_message("", channel=OPS, thread=root, subtype="file_share", files=files)
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Thanks.")
        await harness.alice.post_message("", channel=OPS, thread=root)
        await harness.alice.mention_bot("", channel=OPS, thread=root)
        await harness.slack.wait_until_quiet()
        assert [event.text for event in await load_received_messages(harness, root)] == ["look", "(attached: app.log)"]


async def test_empty_mention_asks_for_help(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("I ship.")) as harness:
        root = await harness.alice.mention_bot("", channel=OPS)
        await harness.alice.wait_for_reply(root, "I ship.")
        assert [event.text for event in await load_received_messages(harness, root)] == ["help"]


async def test_empty_direct_message_answers_no_question(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with running_slack_bot(running_bot, database, ScriptedModel(question)) as harness:
        root = await harness.alice.send_direct_message("ship")
        await harness.alice.wait_for_card(root, "Which one?")
        await harness.alice.send_direct_message("", thread=root)
        await harness.slack.wait_until_quiet()
        assert (await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))).status == "open"


async def test_edit_into_another_command_supersedes_the_request(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, SHIP | {"tag": "v2"})
    async with running_slack_bot(running_bot, database, model, commands=COMMANDS) as harness:
        root = await harness.alice.mention_bot("helper: ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, "v1", approval="ship")
        await harness.alice.edit_message(root, f"<@{harness.slack.app.user}> helper: ship v2")
        assert "withdrawn, or replaced by a new instruction" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_card(root, "v2", approval="ship")
        assert (await harness.event_types(root)).count("MessageEdited") == 1


async def test_deleted_message_with_replies_supersedes_its_request(database: Database, running_bot) -> None:
    async with running_slack_bot(
        running_bot, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))
    ) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await harness.alice.delete_message(root)
        assert "withdrawn" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Never mind.")
        assert "MessageDeleted" in await harness.event_types(root)
        assert harness.bot_harness.tool_call_recorder.runs == []


async def test_edited_or_deleted_comment_is_only_recorded(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("Hello.", "Good.")) as harness:
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Hello.")
        comment = await harness.bob.reply(root, "looks god")
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(root, "Good.")
        await harness.bob.edit_message(comment, "looks good")
        await harness.bob.delete_message(comment)
        await harness.slack.wait_until_quiet()
        assert (await harness.event_types(root))[-2:] == ["MessageEdited", "MessageDeleted"]


async def test_shortcut_opens_a_thread_about_the_message(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("It is full.")) as harness:
        alert = await harness.eve.post_message("disk full on db1", channel=OPS)
        await harness.alice.use_shortcut("handrail.ask", on=alert)
        await harness.alice.wait_for_reply(alert, "It is full.")
        (message,) = await load_received_messages(harness, alert)
        assert (message.text, message.actor.id) == ("disk full on db1", "alice")
        assert (message.provenance, message.author) == (Provenance.UNVERIFIED, "slack:T0TEAM/U0EVE")


ALERT = {
    "color": "danger", "fallback": "[FIRING] disk full", "pretext": "prod", "title": "Disk full",
    "title_link": "https://grafana.example/d/1", "text": "db1 is at &gt;95%", "footer": "Grafana",
    "fields": [{"title": "host", "value": "db1", "short": True}, {"title": "", "value": "see runbook"}],
}  # fmt: skip
ALERT_TEXT = "prod\nDisk full\ndb1 is at >95%\nhost: db1\nsee runbook"


async def test_shortcut_on_an_alert_uses_its_attachments(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("It is full.")) as harness:
        alert = harness.slack.add_bot("grafana", "B0GRAFANA").post_alert(ALERT, channel=OPS)
        await harness.alice.use_shortcut("handrail.ask", on=alert)
        await harness.alice.wait_for_reply(alert, "It is full.")
        (message,) = await load_received_messages(harness, alert)
        assert (message.text, message.provenance, message.author) == (ALERT_TEXT, Provenance.UNVERIFIED, "grafana")


async def test_forwarded_message_is_unverified_text_of_its_author(database: Database, running_bot) -> None:
    model = build_replying_model("I see.")
    async with running_slack_bot(running_bot, database, model) as harness:
        alert = await harness.eve.post_message("disk full on db1", channel="C0DEV")
        root = await harness.alice.forward_to_bot(alert)
        await harness.alice.wait_for_reply(root, "I see.")
        (message,) = await load_received_messages(harness, root)
        assert (message.text, message.actor.id, message.author) == ("disk full on db1", "alice", "Eve (U0EVE)")
        assert message.provenance == Provenance.UNVERIFIED
        assert not (await harness.bot_harness.bot.engine.load(await harness.thread_id_for(root))).is_trusted


async def test_own_text_and_forwarded_message_are_separate(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("I see.")) as harness:
        alert = harness.slack.add_bot("grafana", "B0GRAFANA").post_alert(ALERT, channel="C0DEV")
        mention = f"<@{harness.slack.app.user}>"
        root = await harness.alice.forward(alert, f"{mention} what about this?", channel=OPS)
        await harness.alice.wait_for_reply(root, "I see.")
        own, *quotes = await load_received_messages(harness, root)
        assert (own.text, own.provenance, own.author) == ("what about this?", Provenance.VERIFIED_PERSON, None)
        assert [(quote.text, quote.provenance, quote.author) for quote in quotes] == [
            (ALERT_TEXT, Provenance.UNVERIFIED, "grafana")
        ]
        assert own.ref == f"{OPS}:{root.ts}"


async def test_forwarded_command_is_not_executed(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, CommandModel(), commands=COMMANDS) as harness:
        command_message = await harness.bob.post_message("ship v1", channel="C0DEV")
        root = await harness.alice.forward_to_bot(command_message)
        await harness.alice.wait_for_reply(root, "I do not follow instructions in quoted or forwarded text")
        assert "ToolCalled" not in await harness.event_types(root)


async def test_forwarded_yes_answers_no_question(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Really?", "format": "yes_no"}
    async with running_slack_bot(running_bot, database, ScriptedModel(question)) as harness:
        forwarded_yes = await harness.bob.post_message("yes", channel="C0DEV")
        root = await harness.alice.send_direct_message("ship")
        await harness.alice.wait_for_card(root, "Really?")
        await harness.alice.forward(forwarded_yes, channel=root.channel, thread=root)
        await harness.slack.wait_until_quiet()
        assert (await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))).status == "open"


async def test_deleted_message_with_quote_supersedes_its_request(database: Database, running_bot) -> None:
    async with running_slack_bot(
        running_bot, database, ScriptedModel(SHIP, DoneForNow(message="Never mind."))
    ) as harness:
        alert = await harness.eve.post_message("v1 is ready", channel="C0DEV")
        root = await harness.alice.forward(alert, f"<@{harness.slack.app.user}> ship it", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await harness.alice.delete_message(root)
        assert "withdrawn" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Never mind.")


async def test_shortcut_in_an_inaccessible_channel_asks_for_an_invite(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, build_replying_model("It is full.")) as harness:
        harness.slack.add_channel("C0SECRET", has_bot=False)
        alert = await harness.eve.post_message("disk full on db1", channel="C0SECRET")
        await harness.alice.use_shortcut("handrail.ask", on=alert)
        await harness.alice.wait_for_ephemeral("Invite me")
        assert (await harness.alice.wait_for_reply(text="It is full.")).message.channel == "D0ALICE"
        await harness.bot_harness.wait_until_done(await harness.thread_id_for(alert))
        for method in ("chat.postMessage", "conversations.replies"):
            harness.slack.assert_error_occurred(method, "not_in_channel")


async def test_reply_in_the_thread_answers_a_question(database: Database, running_bot) -> None:
    question = {"intent": "request_human_input", "question": "Which one?"}
    async with running_slack_bot(
        running_bot, database, ScriptedModel(question, DoneForNow(message="v2 it is."))
    ) as harness:
        root = await harness.alice.mention_bot("ship", channel=OPS)
        card = await harness.alice.wait_for_card(root, "Which one?")
        await harness.alice.reply(root, "v2")
        assert "answered by Alice Ng (slack): v2" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "v2 it is.")


async def test_message_to_a_cancelled_thread_is_rejected_once(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await harness.bot_harness.bot.thread_control.cancel(await harness.thread_id_for(root), person_address("bob"))
        await card.wait_until_closed("cancelled with its thread")
        await harness.bob.reply(root, "why?")
        assert "is cancelled; open a new one" in (await harness.bob.wait_for_ephemeral()).text
        await harness.alice.mention_bot("again, please", channel=OPS, thread=root)
        assert "is cancelled; open a new one" in (await harness.alice.wait_for_ephemeral()).text
        for bot_request, _ in tuple(harness.slack.delivery_attempts):
            harness.slack.redeliver(bot_request)
        await harness.slack.wait_until_quiet()
        assert [event.text for event in await load_received_messages(harness, root)] == ["ship v1"]


async def test_replies_to_an_approval_card_get_one_hint(database: Database, running_bot) -> None:
    two_approvers = (Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2)),)
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=two_approvers) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        await harness.bob.wait_for_card(root, approval="ship")
        for text in ("looks good", "to me", "and to everyone"):
            await harness.bob.reply(root, text)
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(root, "0 of 2, until 09:30 UTC; use the buttons above.")
        await harness.slack.wait_until_quiet()
        assert len(list_hints(harness, root)) == 1
        await harness.advance_clock(seconds=10)
        await harness.bob.reply(root, "ok")
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(root, "A message never approves.")
        await harness.slack.wait_until_quiet()
        assert len(list_hints(harness, root)) == 2
        assert harness.bot_harness.tool_call_recorder.runs == []


def list_hints(harness: SlackHarness, root: Message) -> list[str]:
    """Return the bot's messages in a thread that point to an open request."""
    messages = harness.slack.workspace.thread_messages(root.channel, root.ts)
    return [message.text for message in messages if "still waits for" in message.text]
