"""What people look up and order on Slack beside their threads: commands, the App Home, prompts, the stop button."""

from agents.addresses import Address, person_address
from agents.commands import Command, Commands
from agents.messages import IncomingMessage, Provenance
from agents.steps import DoneForNow
from bot.thread_service import NewThread
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, SlackHarness, Transport, running_slack_bot
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.message import Message, iter_texts

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(
    commands=(
        Command(say=("list tags",), does="lists the tags", step={"intent": "look"}),
        Command(say=("ship {tag}",), does="ships a tag", step={"intent": "ship", "tag": "{tag}"}),
    )
)


async def answered(work: SlackHarness, line: str, who: str = "alice") -> str:
    """What somebody reads after a command, which only they see."""
    notice = await getattr(work, who).run_slash_command(f"/handrail {line}", channel=OPS)
    assert notice["response_type"] == "ephemeral"
    return "\n".join(iter_texts(notice["blocks"]))


async def asked(work: SlackHarness) -> tuple[Message, str]:
    """Alice wants to ship; the message, and the thread it opened."""
    root = await work.alice.mention_bot("ship v1", channel=OPS)
    await work.bob.wait_for_card(root, approval="ship")
    thread = await work.thread_id_for(root)
    await work.bot.wait_for_request(thread)
    return root, thread


async def test_help_names_the_commands_and_what_the_agent_understands(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, commands=COMMANDS) as work:
        for line in ("help", ""):
            told = await answered(work, line)
            assert "/handrail approvals" in told
            assert "ships a tag" in told
        assert "I do not know “dance”" in await answered(work, "dance now")


async def test_whoami_tells_people_who_they_are_and_strangers_what_to_do(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as work:
        assert "You are Bob Ito (bob), with the roles release." in await answered(work, "whoami", "bob")
        assert 'slack = "T0TEAM/U0EVE"' in await answered(work, "whoami", "eve")


async def test_status_and_approvals_show_what_is_going_on(
    database: Database, running_bot, transport: Transport
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), transport=transport) as work:
        await asked(work)
        told = await answered(work, "status")
        assert "0 open requests for you, 1 of your threads" in told
        assert "waits for a person" in told
        told = await answered(work, "Approvals", "bob")
        assert "1 open request for you" in told
        assert "helper wants to run ship (tag: v1)" in told
        assert "0 open requests for you" in await answered(work, "approvals", "eve")


async def test_a_thread_whose_replies_go_to_no_place_on_slack_is_shown_all_the_same(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message="Hello."))) as work:
        said = IncomingMessage(
            text="hi there",
            by=person_address("alice"),
            source=Address("terminal:alice"),
            provenance=Provenance.VERIFIED_PERSON,
            at=work.bot.clock.now(),
        )
        opening = NewThread(message=said, requester=person_address("alice"), origin=Address("slack:general"))
        thread = (await work.bot.bot.threads.open(opening)).after.thread_id
        await work.alice.wait_for_reply(text="Hello.")
        await work.bot.wait_until_settled(thread)
        assert "hi there" in await answered(work, "status")
        await work.alice.open_home_tab()
        await work.alice.wait_for_home_tab("hi there")


async def test_a_thread_is_cancelled_by_those_it_is_for(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        _, thread = await asked(work)
        assert f"there is no thread {thread}" in await answered(work, f"cancel {thread}", "eve")
        assert f"Thread {thread} is cancelled" in await answered(work, "cancel")
        assert "none of your threads goes on" in await answered(work, "cancel")
        assert "cannot be cancelled" in await answered(work, f"cancel {thread}", "bob")
        assert "there is no thread nonsense" in await answered(work, "cancel nonsense")


async def test_a_known_person_cannot_cancel_a_thread_of_others_by_name(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message="Hello."))) as work:
        root = await work.bob.mention_bot("hello", channel=OPS)
        await work.bob.wait_for_reply(root, "Hello.")
        thread = await work.thread_id_for(root)
        assert f"there is no thread {thread}" in await answered(work, f"cancel {thread}", "alice")
        assert "cannot be cancelled" in await answered(work, f"cancel {thread}", "bob")


async def test_whoever_has_several_threads_says_which_one_to_cancel(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, SHIP)) as work:
        _, first = await asked(work)
        await work.advance_clock(seconds=1)
        second_root = await work.alice.mention_bot("ship v1", channel=OPS)
        await work.bob.wait_for_reply(second_root, "ship")
        second = await work.thread_id_for(second_root)
        told = await answered(work, "cancel")
        assert f"/handrail cancel {first}" in told
        assert f"/handrail cancel {second}" in told
        assert f"Thread {first} is cancelled" in await answered(work, f"cancel {first}", "carol")


async def test_the_home_has_what_waits_and_where_it_is(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root, _ = await asked(work)
        await work.bob.open_home_tab()
        home = await work.bob.wait_for_home_tab("helper wants to run ship")
        assert f"thread_ts={root.ts}" in str(home)
        await work.alice.open_home_tab()
        assert f"https://fake.slack.com/archives/{OPS}/p{root.ts.replace('.', '')}" in str(
            await work.alice.wait_for_home_tab()
        )
        await work.eve.open_home_tab()
        await work.eve.wait_for_home_tab("I do not know you")


async def test_a_home_without_links_is_shown_when_slack_tells_none(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        await asked(work)
        work.slack.fail_next("chat.getPermalink", error="internal_error")
        await work.bob.open_home_tab()
        assert f"look in the thread, in <#{OPS}>" in str(await work.bob.wait_for_home_tab("helper wants to run ship"))


async def test_whoever_opens_the_conversation_is_offered_what_they_may_say(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, commands=COMMANDS) as work:
        await work.alice.open_messages_tab()
        assert [prompt["message"] for prompt in await work.alice.wait_for_prompts("List tags")] == ["list tags"]


async def test_the_stop_button_cancels_for_those_who_may(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root, thread = await asked(work)
        card = await work.bob.wait_for_card(root, approval="ship")
        work.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await work.eve.press_stop(root)
        await work.eve.wait_for_ephemeral("only whoever asked, and people who are known here, may cancel it")
        await work.alice.press_stop(root)
        await card.wait_until_closed("cancelled with its thread")
        for parcel, _ in tuple(work.slack.delivery_attempts):
            if parcel.payload.get("event", {}).get("user") != work.eve.id:
                work.slack.redeliver(parcel)
        await work.bob.press_stop(root)
        await work.bob.wait_for_ephemeral(f"thread {thread} is cancelled and cannot be cancelled")


async def test_the_stop_button_in_a_thread_of_others_does_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as work:
        root = await work.alice.post_message("lunch?", channel=OPS)
        work.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await work.alice.press_stop(root)
        await work.slack.wait_until_quiet()
        assert work.bot.commits == []
