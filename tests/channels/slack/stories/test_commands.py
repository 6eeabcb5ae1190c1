"""Slack entry points other than messages: slash commands, the App Home, suggested prompts and the stop button."""

from agents.core.commands import Command, Commands
from agents.core.messages import IncomingMessage, Provenance
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from bot.services.threads import NewThread
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.message import Message, iter_texts
from tests.harness.slack import OPS, SlackHarness, Transport, running_slack_bot

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(
    commands=(
        Command(say=("list tags",), does="lists the tags", step={"intent": "look"}),
        Command(say=("ship {tag}",), does="ships a tag", step={"intent": "ship", "tag": "{tag}"}),
    )
)


async def run_command(harness: SlackHarness, line: str, person: str = "alice") -> str:
    """Run `/handrail` with these arguments and return the text of the ephemeral reply."""
    reply = await getattr(harness, person).run_slash_command(f"/handrail {line}", channel=OPS)
    assert reply["response_type"] == "ephemeral"
    return "\n".join(iter_texts(reply["blocks"]))


async def request_shipping(harness: SlackHarness) -> tuple[Message, str]:
    """Ask to ship v1 as Alice. Return her message and the id of the thread that it opened."""
    root = await harness.alice.mention_bot("ship v1", channel=OPS)
    await harness.bob.wait_for_card(root, approval="ship")
    thread_id = await harness.thread_id_for(root)
    await harness.bot_harness.wait_for_request(thread_id)
    return root, thread_id


async def test_help_lists_subcommands_and_agent_commands(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, commands=COMMANDS) as harness:
        for line in ("help", ""):
            text = await run_command(harness, line)
            assert "/handrail approvals" in text
            assert "ships a tag" in text
        assert "Unknown command “dance”" in await run_command(harness, "dance now")


async def test_whoami_shows_the_person_or_how_to_link_the_account(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as harness:
        assert "You are Bob Ito (bob), with the roles release." in await run_command(harness, "whoami", "bob")
        assert 'slack = "T0TEAM/U0EVE"' in await run_command(harness, "whoami", "eve")


async def test_status_and_approvals_show_threads_and_requests(
    database: Database, running_bot, transport: Transport
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), transport=transport) as harness:
        await request_shipping(harness)
        text = await run_command(harness, "status")
        assert "0 open requests for you, 1 thread of yours" in text
        assert "waiting for a person" in text
        text = await run_command(harness, "Approvals", "bob")
        assert "1 open request for you" in text
        assert "helper wants to run ship (tag: v1)" in text
        assert "0 open requests for you" in await run_command(harness, "approvals", "eve")


async def test_thread_with_an_invalid_slack_origin_is_listed(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message="Hello."))) as harness:
        message = IncomingMessage(
            text="hi there",
            by=person_address("alice"),
            source=Address("terminal:alice"),
            provenance=Provenance.VERIFIED_PERSON,
            at=harness.bot_harness.clock.now(),
        )
        new_thread = NewThread(message=message, requester=person_address("alice"), origin=Address("slack:general"))
        thread_id = (await harness.bot_harness.bot.threads.open(new_thread)).after.thread_id
        await harness.alice.wait_for_reply(text="Hello.")
        await harness.bot_harness.wait_until_done(thread_id)
        assert "hi there" in await run_command(harness, "status")
        await harness.alice.open_home_tab()
        await harness.alice.wait_for_home_tab("hi there")


async def test_only_authorized_people_cancel_a_thread(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        _, thread_id = await request_shipping(harness)
        assert f"there is no thread {thread_id}" in await run_command(harness, f"cancel {thread_id}", "eve")
        assert f"Thread {thread_id} is cancelled" in await run_command(harness, "cancel")
        assert "you have no active thread" in await run_command(harness, "cancel")
        assert "cannot be cancelled" in await run_command(harness, f"cancel {thread_id}", "bob")
        assert "there is no thread nonsense" in await run_command(harness, "cancel nonsense")


async def test_person_cannot_cancel_a_thread_of_others_by_id(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DoneForNow(message="Hello."))) as harness:
        root = await harness.bob.mention_bot("hello", channel=OPS)
        await harness.bob.wait_for_reply(root, "Hello.")
        thread_id = await harness.thread_id_for(root)
        assert f"there is no thread {thread_id}" in await run_command(harness, f"cancel {thread_id}", "alice")
        assert "cannot be cancelled" in await run_command(harness, f"cancel {thread_id}", "bob")


async def test_cancel_asks_which_of_several_threads(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, SHIP)) as harness:
        _, first = await request_shipping(harness)
        await harness.advance_clock(seconds=1)
        second_root = await harness.alice.mention_bot("ship v1", channel=OPS)
        await harness.bob.wait_for_reply(second_root, "ship")
        second = await harness.thread_id_for(second_root)
        text = await run_command(harness, "cancel")
        assert f"/handrail cancel {first}" in text
        assert f"/handrail cancel {second}" in text
        assert f"Thread {first} is cancelled" in await run_command(harness, f"cancel {first}", "carol")


async def test_home_shows_pending_requests_with_links(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root, _ = await request_shipping(harness)
        await harness.bob.open_home_tab()
        home = await harness.bob.wait_for_home_tab("helper wants to run ship")
        assert f"thread_ts={root.ts}" in str(home)
        await harness.alice.open_home_tab()
        assert f"https://fake.slack.com/archives/{OPS}/p{root.ts.replace('.', '')}" in str(
            await harness.alice.wait_for_home_tab()
        )
        await harness.eve.open_home_tab()
        await harness.eve.wait_for_home_tab("Your Slack account is not linked")


async def test_home_is_shown_without_links_if_slack_returns_no_link(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        await request_shipping(harness)
        harness.slack.fail_next("chat.getPermalink", error="internal_error")
        await harness.bob.open_home_tab()
        assert f"see the thread in <#{OPS}>" in str(await harness.bob.wait_for_home_tab("helper wants to run ship"))


async def test_opened_messages_tab_shows_suggested_prompts(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, commands=COMMANDS) as harness:
        await harness.alice.open_messages_tab()
        assert [prompt["message"] for prompt in await harness.alice.wait_for_prompts("List tags")] == ["list tags"]


async def test_stop_button_cancels_for_authorized_people(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root, thread_id = await request_shipping(harness)
        card = await harness.bob.wait_for_card(root, approval="ship")
        harness.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await harness.eve.press_stop(root)
        await harness.eve.wait_for_ephemeral(
            "only a requester or a person named in handrail.toml may cancel this thread"
        )
        await harness.alice.press_stop(root)
        await card.wait_until_closed("cancelled with its thread")
        for bot_request, _ in tuple(harness.slack.delivery_attempts):
            if bot_request.payload.get("event", {}).get("user") != harness.eve.id:
                harness.slack.redeliver(bot_request)
        await harness.bob.press_stop(root)
        await harness.bob.wait_for_ephemeral(f"thread {thread_id} is cancelled and cannot be cancelled")


async def test_stop_button_in_an_unlinked_thread_does_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database) as harness:
        root = await harness.alice.post_message("lunch?", channel=OPS)
        harness.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await harness.alice.press_stop(root)
        await harness.slack.wait_until_quiet()
        assert harness.bot_harness.commits == []
