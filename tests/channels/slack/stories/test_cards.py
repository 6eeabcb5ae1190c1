"""Decisions on Slack with buttons, menus and modals; rejections are explained in ephemeral messages."""

from typing import Annotated

from pydantic import Field

from agents.core.completion import Budget, Completion, CompletionOutcome
from agents.core.errors import ToolError
from agents.core.policy import ApprovalTerms, Rule
from agents.core.steps import CallTool, DoneForNow, RequestHumanInput
from agents.core.tools import Tool, ToolContext, ToolResult, tool
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.card import ShownMessage
from tests.fakes.slack.message import Message
from tests.harness.slack import OPS, SlackHarness, Transport, on_every_setup, running_slack_bot
from tests.harness.tools import ToolCallRecorder

SHIP = {"intent": "ship", "tag": "v1"}
LONG_TAG = "v" * 20_000
DONE = DoneForNow(message="Done.")
TWO_APPROVERS = (Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2)),)


def build_scale_tool(tool_call_recorder: ToolCallRecorder) -> Tool:
    """Return a tool whose arguments are validated by its schema and by `prepare`."""

    def prepare(context: ToolContext, **arguments: object) -> dict[str, object]:
        if arguments["service"] == "ghost":
            raise ToolError("there is no service ghost")
        return arguments

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), prepare=prepare)
    def scale(context: ToolContext, service: str, copies: Annotated[int, Field(ge=1, le=9)]) -> ToolResult:
        """Run the given number of copies of a service."""
        return tool_call_recorder.run(context.key, f"{copies} of {service}")

    return scale


def ask(question: str, **fields: object) -> RequestHumanInput:
    return RequestHumanInput(question=question, **fields)  # type: ignore[arg-type]  # fields of the test


def list_executed_actions(harness: SlackHarness) -> list[str]:
    return [action for _, action in harness.bot_harness.tool_call_recorder.runs]


async def copy_to_other_channel(card: ShownMessage, harness: SlackHarness) -> ShownMessage:
    """Return a forged card with the same buttons in another channel."""
    forged = Message("C0DEV", card.message.ts, card.message.text, blocks=card.message.blocks)
    harness.slack.add_channel("C0DEV")
    return ShownMessage(card.workspace, forged, card.controls)


@on_every_setup
async def test_two_approvers_each_see_the_effect_of_their_click(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with running_slack_bot(running_bot, database, model, rules=TWO_APPROVERS) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        await card.click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("You already approved this; 1 more approval is required")
        assert list_executed_actions(harness) == []
        await card.click("Approve", actor=harness.carol)
        await harness.advance_clock(seconds=1)
        assert "approved by Bob Ito, then Carol Diaz (slack)" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == ["ship v1"]


async def test_second_requester_of_a_thread_may_not_approve(database: Database, running_bot) -> None:
    model = ScriptedModel(DONE, SHIP, DONE)
    async with running_slack_bot(running_bot, database, model) as harness:
        root = await harness.alice.mention_bot("hello", channel=OPS)
        await harness.alice.wait_for_reply(root, "Done.")
        await harness.bob.reply(root, "ship v1")
        await harness.advance_clock(seconds=1)
        card = await harness.bob.wait_for_card(root, approval="ship")
        assert "asked for by Alice Ng and Bob Ito" in str(card.message.blocks)
        for button in ("Approve", "Edit"):
            await card.click(button, actor=harness.bob)
            await harness.bob.wait_for_ephemeral("you are a requester of this, so you cannot approve it")
        await card.click("Approve", actor=harness.carol)
        assert "approved by Carol Diaz (slack)" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == ["ship v1"]


async def test_truncated_card_is_approved_on_its_last_page(database: Database, running_bot) -> None:
    model = ScriptedModel({"intent": "ship", "tag": LONG_TAG}, DONE)
    async with running_slack_bot(running_bot, database, model) as harness:
        root = await harness.alice.mention_bot("ship it", channel=OPS)
        card = await harness.bob.wait_for_card(root, "Press Show all")
        await card.click("Show all", actor=harness.bob)
        pages = [await harness.bob.wait_for_modal("Request")]
        while "Approve" not in str(pages[-1].view.content):
            await pages[-1].submit({})
            assert list_executed_actions(harness) == []
            pages.append(await harness.bob.wait_for_modal("Request"))
        assert sum(str(page.view.content["blocks"]).count("v" * 100) for page in pages) >= 190
        await pages[-1].submit({})
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == [f"ship {LONG_TAG}"]


async def test_other_users_can_read_the_complete_card_only(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel({"intent": "ship", "tag": LONG_TAG})) as harness:
        root = await harness.alice.mention_bot("ship it", channel=OPS)
        card = await harness.eve.wait_for_card(root, "Press Show all")
        await card.click("Show all", actor=harness.eve)
        while "submit" in (modal := await harness.eve.wait_for_modal("Request")).view.content:
            assert modal.view.content["submit"]["text"] == "Next page"
            await modal.submit({})
        assert "page 3 of 3" in str(modal.view.content)


async def test_page_of_an_edited_request_is_not_approved(database: Database, running_bot) -> None:
    async with running_slack_bot(
        running_bot, database, ScriptedModel({"intent": "ship", "tag": LONG_TAG}), rules=TWO_APPROVERS
    ) as harness:
        root = await harness.alice.mention_bot("ship it", channel=OPS)
        card = await harness.bob.wait_for_card(root, "Press Show all")
        await card.click("Show all", actor=harness.bob)
        modal = await harness.bob.wait_for_modal("Request")
        (request,) = (await harness.bot_harness.bot.engine.load(await harness.thread_id_for(root))).requests
        await harness.bot_harness.answer_request(request, "edit", person_key="carol", arguments={"tag": "v2"})
        await modal.submit({})
        await harness.bob.wait_for_modal("Not accepted")
        assert list_executed_actions(harness) == []


async def test_card_shows_reason_requester_approvers_and_progress(database: Database, running_bot) -> None:
    call = CallTool(tool="ship", arguments={"tag": "v1"})
    reasoned = Completion(outcome=CompletionOutcome.OK, model="m", step=call, reasoning="It is <!here> tested.")
    model = ScriptedModel(reasoned, DONE)
    async with running_slack_bot(running_bot, database, model, rules=TWO_APPROVERS) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        for text in (
            "Why, in the agent's words: It is <!here> tested.",
            "asked for by Alice Ng",
            "can be decided by release (Bob Ito, Carol Diaz)",
            "0 of 2 so far",
            "without an answer by then nothing is done",
        ):
            assert text in card.text
        await card.click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        await card.wait_for_text("1 of 2 so far: Bob Ito")
        await card.click("Approve", actor=harness.carol)
        await harness.advance_clock(seconds=1)
        await card.wait_until_closed("approved by Bob Ito, then Carol Diaz (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_requester_may_not_approve(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root = await harness.bob.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("you cannot approve it; another person must approve it")
        await card.click("Edit", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("you cannot approve it; another person must approve it")


async def test_reason_of_a_denial_is_shared_with_the_agent(
    database: Database, running_bot, transport: Transport
) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="I did not ship it."))
    async with running_slack_bot(running_bot, database, model, transport=transport) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Deny", actor=harness.bob)
        modal = await harness.bob.wait_for_modal("Deny")
        await modal.submit({"Reason (shared with the agent)": "it is Friday"})
        assert "denied by Bob Ito (slack): it is Friday" in await card.wait_until_closed()
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "I did not ship it.")
        assert "it is Friday" in model.received[-1].prompt.user
        assert list_executed_actions(harness) == []


async def test_edit_approves_the_edited_arguments(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=harness.bob)
        await (await harness.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        closed = await card.wait_until_closed()
        assert "tag: v2" in closed
        assert "edited and approved by Bob Ito; no other person saw this version (slack)" in closed
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == ["ship v2"]


async def test_edit_without_changes_is_an_approval(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=harness.bob)
        await (await harness.bob.wait_for_modal("Edit")).submit({})
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        events = await harness.bot_harness.events(await harness.thread_id_for(root))
        [answered] = [event for event in events if event.type == "RequestAnswered"]
        assert answered.answer.decision == "approve"


@on_every_setup
async def test_edit_updates_all_cards_and_invalidates_old_buttons(database: Database, running_bot) -> None:
    rule = Rule(name="two", tool="*", ask=ApprovalTerms(roles=("release",), quorum=2, remind=(60,)))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=(rule,)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        first = await harness.bob.wait_for_card(root, approval="ship")
        await harness.advance_clock(seconds=60)
        reminder = await harness.bob.wait_for_reply(root, "wants to run ship")
        await first.click("Edit", actor=harness.bob)
        await (await harness.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        await harness.bob.wait_for_ephemeral("Approval recorded. 1 more approval is required.")
        for card in (first, reminder):
            await card.wait_for_text("tag: v2")
            await card.click("Approve", actor=harness.carol)
            assert "review it again" in (await harness.carol.wait_for_ephemeral()).text
        updated_card = await harness.carol.wait_for_card(root, "tag: v2")
        await updated_card.click("Approve", actor=harness.carol)
        await harness.advance_clock(seconds=1)
        for card in (first, reminder):
            await card.wait_until_closed("approved by Carol Diaz (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == ["ship v2"]


async def test_invalid_edit_shows_errors_in_the_modal(database: Database, running_bot) -> None:
    tool_call_recorder, model = (
        ToolCallRecorder(),
        ScriptedModel({"intent": "scale", "service": "web", "copies": 3}, DONE),
    )
    async with running_slack_bot(
        running_bot,
        database,
        model,
        tool_call_recorder=tool_call_recorder,
        tools=(build_scale_tool(tool_call_recorder),),
    ) as harness:
        root = await harness.alice.mention_bot("three of web", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="scale")
        await card.click("Edit", actor=harness.bob)
        modal = await harness.bob.wait_for_modal("Edit")
        assert await modal.submit_expecting_errors({"copies": "99"}) == {
            "argument.copies": "Write a number that is at most 9."
        }
        assert await modal.submit_expecting_errors({"service": "ghost"}) == {
            "argument.service": "there is no service ghost"
        }
        await modal.submit({"service": "worker", "copies": "9"})
        await card.wait_until_closed("edited and approved by Bob Ito; no other person saw this version (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
        assert list_executed_actions(harness) == ["9 of worker"]


async def test_edit_that_policy_denies_is_rejected(database: Database, running_bot) -> None:
    rules = (Rule(name="frozen", tool="ship", when={"tag": "v2"}, deny="v2 is frozen"),)
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Edit", actor=harness.bob)
        await (await harness.bob.wait_for_modal("Edit")).submit({"tag": "v2"})
        modal = await harness.bob.wait_for_modal("Not accepted")
        assert "v2 is frozen" in str(modal.view.content)
        assert (await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))).status == "open"


async def test_late_submission_shows_the_outcome(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await card.click("Deny", actor=harness.carol)
        modal = await harness.carol.wait_for_modal("Deny")
        await card.click("Approve", actor=harness.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await modal.submit({})
        assert "approved by Bob Ito (slack)" in str((await harness.carol.wait_for_modal("Not accepted")).view.content)
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_few_choices_are_buttons(database: Database, running_bot) -> None:
    question = ask("Which one?", choices=("red", "green"), format="multiple_choice")
    async with running_slack_bot(running_bot, database, ScriptedModel(question, DONE)) as harness:
        root = await harness.alice.mention_bot("paint it", channel=OPS)
        card = await harness.alice.wait_for_card(root, "Which one?")
        await card.click("green", actor=harness.alice)
        await card.wait_until_closed("answered by Alice Ng (slack): green")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_many_choices_are_a_menu(database: Database, running_bot) -> None:
    question = ask("Which?", choices=tuple(f"v{n}" for n in range(1, 8)), format="multiple_choice")
    async with running_slack_bot(running_bot, database, ScriptedModel(question, DONE)) as harness:
        root = await harness.alice.mention_bot("ship", channel=OPS)
        card = await harness.alice.wait_for_card(root, "Which?")
        await card.choose_option("v6", actor=harness.alice)
        await card.wait_until_closed("answered by Alice Ng (slack): v6")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_yes_no_question_has_two_buttons(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(ask("Sure?", format="yes_no"), DONE)) as harness:
        root = await harness.alice.mention_bot("ship", channel=OPS)
        card = await harness.alice.wait_for_card(root, "Sure?")
        await card.click("no", actor=harness.bob)
        await card.wait_until_closed("answered by Bob Ito (slack): no")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_text_answer_is_entered_in_a_modal(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(ask("Why?"), DONE)) as harness:
        root = await harness.alice.mention_bot("ship", channel=OPS)
        card = await harness.alice.wait_for_card(root, "Why?")
        await card.click("Answer…", actor=harness.alice)
        modal = await harness.alice.wait_for_modal("Answer")
        assert await modal.submit_expecting_errors({"Answer": "  "}) == {"text": "Write an answer."}
        await modal.submit({"Answer": "because <!channel> & co"})
        await card.wait_until_closed("answered by Alice Ng (slack): because <!channel> & co")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_forged_button_is_rejected(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="ship")
        await (await copy_to_other_channel(card, harness)).click("Approve", actor=harness.bob)
        await harness.bob.wait_for_ephemeral("not created by Handrail for this channel")
        forged = ShownMessage(
            card.workspace, card.message, [control | {"value": "v1.req_1..x"} for control in card.controls]
        )
        for label in ("Approve", "Deny", "Edit"):
            await forged.click(label, actor=harness.bob)
            await harness.bob.wait_for_ephemeral("this button was not created by Handrail")
        assert (await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))).status == "open"
        assert list_executed_actions(harness) == []


async def test_budget_request_cannot_be_edited(database: Database, running_bot) -> None:
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_slack_bot(running_bot, database, model, budget=Budget(steps=1)) as harness:
        root = await harness.alice.mention_bot("look around", channel=OPS)
        card = await harness.alice.wait_for_card(root, approval="allow 1 more?")
        assert [button["text"]["text"] for button in card.controls] == ["Approve", "Deny"]
        await card.click("Approve", actor=harness.alice)
        await card.wait_until_closed("approved by Alice Ng (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")
