"""What people look up and order on Slack beside their threads: commands, the App Home, prompts, the stop button."""

from agents.addresses import Address, person
from agents.commands import Command, Commands
from agents.messages import Heard, Provenance
from agents.steps import DoneForNow
from bot.intake import Opening
from storage.database import Database
from tests.bot.slack.workplace import OPS, Transport, Workplace, workplace
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.message import Message, texts

SHIP = {"intent": "ship", "tag": "v1"}
COMMANDS = Commands(
    commands=(
        Command(say=("list tags",), does="lists the tags", step={"intent": "look"}),
        Command(say=("ship {tag}",), does="ships a tag", step={"intent": "ship", "tag": "{tag}"}),
    )
)


async def answered(work: Workplace, line: str, who: str = "alice") -> str:
    """What somebody reads after a command, which only they see."""
    notice = await getattr(work, who).commands(f"/handrail {line}", channel=OPS)
    assert notice["response_type"] == "ephemeral"
    return "\n".join(texts(notice["blocks"]))


async def asked(work: Workplace) -> tuple[Message, str]:
    """Alice wants to ship; the message, and the thread it opened."""
    root = await work.alice.mentions("ship v1", channel=OPS)
    await work.bob.sees(root, approval="ship")
    thread = await work.thread_of(root)
    await work.home.asked(thread)
    return root, thread


async def test_help_names_the_commands_and_what_the_agent_understands(database: Database, house) -> None:
    async with workplace(house, database, commands=COMMANDS) as work:
        for line in ("help", ""):
            told = await answered(work, line)
            assert "/handrail approvals" in told
            assert "ships a tag" in told
        assert "I do not know “dance”" in await answered(work, "dance now")


async def test_whoami_tells_people_who_they_are_and_strangers_what_to_do(database: Database, house) -> None:
    async with workplace(house, database) as work:
        assert "You are Bob Ito (bob), with the roles release." in await answered(work, "whoami", "bob")
        assert 'slack = "T0TEAM/U0EVE"' in await answered(work, "whoami", "eve")


async def test_status_and_approvals_show_what_is_going_on(database: Database, house, transport: Transport) -> None:
    async with workplace(house, database, ScriptedModel(SHIP), transport=transport) as work:
        await asked(work)
        told = await answered(work, "status")
        assert "0 open requests for you, 1 of your threads" in told
        assert "waits for a person" in told
        told = await answered(work, "Approvals", "bob")
        assert "1 open request for you" in told
        assert "helper wants to run ship (tag: v1)" in told
        assert "0 open requests for you" in await answered(work, "approvals", "eve")


async def test_a_thread_whose_replies_go_to_no_place_on_slack_is_shown_all_the_same(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(DoneForNow(message="Hello."))) as work:
        said = Heard(
            text="hi there",
            by=person("alice"),
            source=Address("terminal:alice"),
            provenance=Provenance.VERIFIED_PERSON,
            at=work.home.clock.now(),
        )
        opening = Opening(heard=said, requester=person("alice"), origin=Address("slack:general"))
        thread = (await work.home.bot.intake.open(opening)).after.thread_id
        await work.alice.hears(text="Hello.")
        await work.home.at_rest(thread)
        assert "hi there" in await answered(work, "status")
        await work.alice.opens_home()
        await work.alice.home("hi there")


async def test_a_thread_is_cancelled_by_those_it_is_for(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        _, thread = await asked(work)
        assert f"there is no thread {thread}" in await answered(work, f"cancel {thread}", "eve")
        assert f"Thread {thread} is cancelled" in await answered(work, "cancel")
        assert "none of your threads goes on" in await answered(work, "cancel")
        assert "cannot be cancelled" in await answered(work, f"cancel {thread}", "bob")
        assert "there is no thread nonsense" in await answered(work, "cancel nonsense")


async def test_a_known_person_cannot_cancel_a_thread_of_others_by_name(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(DoneForNow(message="Hello."))) as work:
        root = await work.bob.mentions("hello", channel=OPS)
        await work.bob.hears(root, "Hello.")
        thread = await work.thread_of(root)
        assert f"there is no thread {thread}" in await answered(work, f"cancel {thread}", "alice")
        assert "cannot be cancelled" in await answered(work, f"cancel {thread}", "bob")


async def test_whoever_has_several_threads_says_which_one_to_cancel(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, SHIP)) as work:
        _, first = await asked(work)
        await work.later(seconds=1)
        second_root = await work.alice.mentions("ship v1", channel=OPS)
        await work.bob.hears(second_root, "ship")
        second = await work.thread_of(second_root)
        told = await answered(work, "cancel")
        assert f"/handrail cancel {first}" in told
        assert f"/handrail cancel {second}" in told
        assert f"Thread {first} is cancelled" in await answered(work, f"cancel {first}", "carol")


async def test_the_home_has_what_waits_and_where_it_is(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        root, _ = await asked(work)
        await work.bob.opens_home()
        home = await work.bob.home("helper wants to run ship")
        assert f"thread_ts={root.ts}" in str(home)
        await work.alice.opens_home()
        assert f"https://fake.slack.com/archives/{OPS}/p{root.ts.replace('.', '')}" in str(await work.alice.home())
        await work.eve.opens_home()
        await work.eve.home("I do not know you")


async def test_a_home_without_links_is_shown_when_slack_tells_none(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        await asked(work)
        work.slack.fails("chat.getPermalink", error="internal_error")
        await work.bob.opens_home()
        assert f"look in the thread, in <#{OPS}>" in str(await work.bob.home("helper wants to run ship"))


async def test_whoever_opens_the_conversation_is_offered_what_they_may_say(database: Database, house) -> None:
    async with workplace(house, database, commands=COMMANDS) as work:
        await work.alice.opens_messages()
        assert [prompt["message"] for prompt in await work.alice.prompts("List tags")] == ["list tags"]


async def test_the_stop_button_cancels_for_those_who_may(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        root, thread = await asked(work)
        card = await work.bob.sees(root, approval="ship")
        work.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await work.eve.presses_stop(root)
        await work.eve.told("only whoever asked, and people who are known here, may cancel it")
        await work.alice.presses_stop(root)
        await card.settled("cancelled with its thread")
        for parcel, _ in tuple(work.slack.brought):
            if parcel.payload.get("event", {}).get("user") != work.eve.id:
                work.slack.repeats(parcel)
        await work.bob.presses_stop(root)
        await work.bob.told(f"thread {thread} is cancelled and cannot be cancelled")


async def test_the_stop_button_in_a_thread_of_others_does_nothing(database: Database, house) -> None:
    async with workplace(house, database) as work:
        root = await work.alice.says("lunch?", channel=OPS)
        work.slack.workspace.sessions[root.channel, root.ts] = "processing"
        await work.alice.presses_stop(root)
        await work.slack.quiet()
        assert work.home.commits == []
