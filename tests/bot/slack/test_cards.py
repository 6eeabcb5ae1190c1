"""Deciding on Slack: with buttons, lists and modals; whoever may not, or is mistaken, is told so alone."""

from typing import Annotated

from pydantic import Field

from agents.budget import Budget
from agents.completion import Completion, CompletionOutcome
from agents.errors import ToolError
from agents.policy import ApprovalTerms, Rule
from agents.steps import CallTool, DoneForNow, RequestHumanInput
from agents.tools import Tool, ToolContext, ToolResult, tool
from storage.database import Database
from tests.bot.slack.slack_harness import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot
from tests.bot_harness import RecordingTools
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Message

SHIP = {"intent": "ship", "tag": "v1"}
LONG = "v" * 20_000
DONE = DoneForNow(message="Done.")
TWO = (Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2)),)


def scaling(workshop: RecordingTools) -> Tool:
    """A tool with arguments that can be wrong in more than one way."""

    def prepare(context: ToolContext, **arguments: object) -> dict[str, object]:
        if arguments["service"] == "ghost":
            raise ToolError("there is no service ghost")
        return arguments

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), prepare=prepare)
    def scale(context: ToolContext, service: str, copies: Annotated[int, Field(ge=1, le=9)]) -> ToolResult:
        """Run so many copies of a service."""
        return workshop.run(context.key, f"{copies} of {service}")

    return scale


def asking(question: str, **more: object) -> RequestHumanInput:
    return RequestHumanInput(question=question, **more)  # type: ignore[arg-type]  # a test's own settings


def done(work: SlackHarness) -> list[str]:
    return [what for _, what in work.bot.recording_tools.runs]


async def moved(card: Card, work: SlackHarness) -> Card:
    """The same buttons, pressed in another channel."""
    forged = Message("C0DEV", card.message.ts, card.message.text, blocks=card.message.blocks)
    work.slack.add_channel("C0DEV")
    return Card(card.workspace, forged, card.controls)


@on_every_setup
async def test_two_people_approve_and_each_is_told_what_their_click_did(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with running_slack_bot(running_bot, database, model, rules=TWO) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        await card.click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("You already approved this; 1 more approval is required")
        assert done(work) == []
        await card.click("Approve", actor=work.carol)
        await work.advance_clock(seconds=1)
        assert "approved by Bob Ito, then Carol Diaz (slack)" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == ["ship v1"]


async def test_who_writes_into_the_thread_of_another_may_not_approve_alone(database: Database, running_bot) -> None:
    model = ScriptedModel(DONE, SHIP, DONE)
    async with running_slack_bot(running_bot, database, model) as work:
        root = await work.alice.mention_bot("hello", channel=OPS)
        await work.alice.wait_for_reply(root, "Done.")
        await work.bob.reply(root, "ship v1")
        await work.advance_clock(seconds=1)
        card = await work.bob.wait_for_card(root, approval="ship")
        assert "asked for by Alice Ng and Bob Ito" in str(card.message.blocks)
        for button in ("Approve", "Edit"):
            await card.click(button, actor=work.bob)
            await work.bob.wait_for_ephemeral("you are among those who asked for this, so you may not approve it")
        await card.click("Approve", actor=work.carol)
        assert "approved by Carol Diaz (slack)" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == ["ship v1"]


async def test_a_card_that_does_not_fit_is_approved_behind_its_last_page(database: Database, running_bot) -> None:
    model = ScriptedModel({"intent": "ship", "tag": LONG}, DONE)
    async with running_slack_bot(running_bot, database, model) as work:
        root = await work.alice.mention_bot("ship it", channel=OPS)
        card = await work.bob.wait_for_card(root, "press Show all")
        await card.click("Show all", actor=work.bob)
        pages = [await work.bob.wait_for_modal("Request")]
        while "Approve" not in str(pages[-1].view.content):
            await pages[-1].submit({})
            assert done(work) == []
            pages.append(await work.bob.wait_for_modal("Request"))
        assert sum(str(page.view.content["blocks"]).count("v" * 100) for page in pages) >= 190
        await pages[-1].submit({})
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == [f"ship {LONG}"]


async def test_others_can_read_all_of_a_card_and_not_approve_it(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel({"intent": "ship", "tag": LONG})) as work:
        root = await work.alice.mention_bot("ship it", channel=OPS)
        card = await work.eve.wait_for_card(root, "press Show all")
        await card.click("Show all", actor=work.eve)
        while "submit" in (modal := await work.eve.wait_for_modal("Request")).view.content:
            assert modal.view.content["submit"]["text"] == "Next page"
            await modal.submit({})
        assert "page 3 of 3" in str(modal.view.content)


async def test_a_page_of_what_was_edited_meanwhile_is_not_approved(database: Database, running_bot) -> None:
    async with running_slack_bot(
        running_bot, database, ScriptedModel({"intent": "ship", "tag": LONG}), rules=TWO
    ) as work:
        root = await work.alice.mention_bot("ship it", channel=OPS)
        card = await work.bob.wait_for_card(root, "press Show all")
        await card.click("Show all", actor=work.bob)
        modal = await work.bob.wait_for_modal("Request")
        (request,) = (await work.bot.bot.engine.load(await work.thread_id_for(root))).requests
        await work.bot.answer_request(request, "edit", person_key="carol", arguments={"tag": "v2"})
        await modal.submit({})
        await work.bob.wait_for_modal("Not decided")
        assert done(work) == []


async def test_a_card_says_why_who_asked_who_decides_and_how_many_have(database: Database, running_bot) -> None:
    wanted = CallTool(tool="ship", arguments={"tag": "v1"})
    reasoned = Completion(outcome=CompletionOutcome.OK, model="m", step=wanted, reasoning="It is <!here> tested.")
    model = ScriptedModel(reasoned, DONE)
    async with running_slack_bot(running_bot, database, model, rules=TWO) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        for told in (
            "Why, in the agent's words: It is <!here> tested.",
            "asked for by Alice Ng",
            "decided by release (Bob Ito, Carol Diaz)",
            "0 of 2 so far",
            "without an answer by then nothing is done",
        ):
            assert told in card.text
        await card.click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        await card.wait_for_text("1 of 2 so far: Bob Ito")
        await card.click("Approve", actor=work.carol)
        await work.advance_clock(seconds=1)
        await card.wait_until_closed("approved by Bob Ito, then Carol Diaz (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_whoever_asked_may_not_approve_it_alone(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root = await work.bob.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("you may not approve it; this needs a second person")
        await card.click("Edit", actor=work.bob)
        await work.bob.wait_for_ephemeral("you may not approve it; this needs a second person")


async def test_a_denial_has_a_reason_which_the_agent_is_told(
    database: Database, running_bot, transport: Transport
) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="I did not ship it."))
    async with running_slack_bot(running_bot, database, model, transport=transport) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Deny", actor=work.bob)
        modal = await work.bob.wait_for_modal("Deny")
        await modal.submit({"Why? The agent is told.": "it is Friday"})
        assert "denied by Bob Ito (slack): it is Friday" in await card.wait_until_closed()
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "I did not ship it.")
        assert "it is Friday" in model.received[-1].prompt.user
        assert done(work) == []


async def test_whoever_edits_approves_what_they_wrote(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=work.bob)
        await (await work.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        settled = await card.wait_until_closed()
        assert "tag: v2" in settled
        assert "edited and approved by Bob Ito; no other person saw this version (slack)" in settled
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == ["ship v2"]


async def test_whoever_changes_nothing_approves_what_is_there(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=work.bob)
        await (await work.bob.wait_for_modal("Edit")).submit({})
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        request = next(e for e in await work.bot.events(await work.thread_id_for(root)) if e.type == "RequestAnswered")
        assert request.answer.decision == "approve"


@on_every_setup
async def test_an_edit_renews_every_copy_and_the_buttons_from_before_are_refused(
    database: Database, running_bot
) -> None:
    rule = Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2, remind=(60,)))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=(rule,)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        first = await work.bob.wait_for_card(root, approval="ship")
        await work.advance_clock(seconds=60)
        reminder = await work.bob.wait_for_reply(root, "wants to run ship")
        await first.click("Edit", actor=work.bob)
        await (await work.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        await work.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        for card in (first, reminder):
            await card.wait_for_text("tag: v2")
            await card.click("Approve", actor=work.carol)
            assert "look at the request again" in (await work.carol.wait_for_ephemeral()).text
        fresh = await work.carol.wait_for_card(root, "tag: v2")
        await fresh.click("Approve", actor=work.carol)
        await work.advance_clock(seconds=1)
        for card in (first, reminder):
            await card.wait_until_closed("approved by Carol Diaz (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == ["ship v2"]


async def test_an_edit_with_mistakes_shows_them_in_the_modal(database: Database, running_bot) -> None:
    workshop, model = RecordingTools(), ScriptedModel({"intent": "scale", "service": "web", "copies": 3}, DONE)
    async with running_slack_bot(
        running_bot, database, model, recording_tools=workshop, tools=(scaling(workshop),)
    ) as work:
        root = await work.alice.mention_bot("three of web", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="scale")
        await card.click("Edit", actor=work.bob)
        modal = await work.bob.wait_for_modal("Edit")
        assert await modal.submit_expecting_errors({"copies": "99"}) == {
            "argument.copies": "Write a number that is at most 9."
        }
        assert await modal.submit_expecting_errors({"service": "ghost"}) == {
            "argument.service": "there is no service ghost"
        }
        await modal.submit({"service": "worker", "copies": "9"})
        await card.wait_until_closed("edited and approved by Bob Ito; no other person saw this version (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
        assert done(work) == ["9 of worker"]


async def test_an_edit_that_policy_denies_is_not_decided(database: Database, running_bot) -> None:
    rules = (Rule(name="frozen", tool="ship", when={"tag": "v2"}, deny="v2 is frozen"),)
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=work.bob)
        await (await work.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        told = await work.bob.wait_for_modal("Not decided")
        assert "v2 is frozen" in str(told.view.content)
        assert (await work.bot.wait_for_request(await work.thread_id_for(root))).status == "open"


async def test_a_modal_that_is_sent_too_late_tells_what_happened(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await card.click("Deny", actor=work.carol)
        modal = await work.carol.wait_for_modal("Deny")
        await card.click("Approve", actor=work.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await modal.submit({})
        assert "approved by Bob Ito (slack)" in str((await work.carol.wait_for_modal("Not decided")).view.content)
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_a_few_choices_are_buttons(database: Database, running_bot) -> None:
    question = asking("Which one?", choices=("red", "green"), format="multiple_choice")
    async with running_slack_bot(running_bot, database, ScriptedModel(question, DONE)) as work:
        root = await work.alice.mention_bot("paint it", channel=OPS)
        card = await work.alice.wait_for_card(root, "Which one?")
        await card.click("green", actor=work.alice)
        await card.wait_until_closed("answered by Alice Ng (slack): green")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_many_choices_are_a_list(database: Database, running_bot) -> None:
    question = asking("Which?", choices=tuple(f"v{n}" for n in range(1, 8)), format="multiple_choice")
    async with running_slack_bot(running_bot, database, ScriptedModel(question, DONE)) as work:
        root = await work.alice.mention_bot("ship", channel=OPS)
        card = await work.alice.wait_for_card(root, "Which?")
        await card.choose_option("v6", actor=work.alice)
        await card.wait_until_closed("answered by Alice Ng (slack): v6")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_yes_or_no_are_two_buttons(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(asking("Sure?", format="yes_no"), DONE)) as work:
        root = await work.alice.mention_bot("ship", channel=OPS)
        card = await work.alice.wait_for_card(root, "Sure?")
        await card.click("no", actor=work.bob)
        await card.wait_until_closed("answered by Bob Ito (slack): no")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_free_words_are_written_into_a_modal(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(asking("Why?"), DONE)) as work:
        root = await work.alice.mention_bot("ship", channel=OPS)
        card = await work.alice.wait_for_card(root, "Why?")
        await card.click("Answer…", actor=work.alice)
        modal = await work.alice.wait_for_modal("Answer")
        assert await modal.submit_expecting_errors({"Answer": "  "}) == {"words": "Write an answer."}
        await modal.submit({"Answer": "because <!channel> & co"})
        await card.wait_until_closed("answered by Alice Ng (slack): because <!channel> & co")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_a_button_of_another_channel_or_a_forged_one_decides_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.bob.wait_for_card(root, approval="ship")
        await (await moved(card, work)).click("Approve", actor=work.bob)
        await work.bob.wait_for_ephemeral("belongs to another channel")
        forged = Card(card.workspace, card.message, [control | {"value": "v1.req_1..x"} for control in card.controls])
        for label in ("Approve", "Deny", "Edit"):
            await forged.click(label, actor=work.bob)
            await work.bob.wait_for_ephemeral("this button is none of ours")
        assert (await work.bot.wait_for_request(await work.thread_id_for(root))).status == "open"
        assert done(work) == []


async def test_what_is_asked_beside_a_tool_can_be_approved_and_not_edited(database: Database, running_bot) -> None:
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_slack_bot(running_bot, database, model, budget=Budget(steps=1)) as work:
        root = await work.alice.mention_bot("look around", channel=OPS)
        card = await work.alice.wait_for_card(root, approval="allow 1 more?")
        assert [button["text"]["text"] for button in card.controls] == ["Approve", "Deny"]
        await card.click("Approve", actor=work.alice)
        await card.wait_until_closed("approved by Alice Ng (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")
