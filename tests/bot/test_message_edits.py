"""What people make of their messages later comes in once, and wakes nobody who rests."""

from typing import Any

import pytest

from agents.addresses import Address, person_address
from agents.errors import ThreadNotFound
from agents.messages import IncomingEdit, Provenance
from agents.steps import CallTool, DoneForNow
from bot.engine import CommitResult
from storage.database import Database
from storage.inbox import IdempotencyClaim, find_duplicate
from tests.bot_harness import BotHarness
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")
CLAIM = IdempotencyClaim("slack", ("edit:T0:C1:1.5:2",))


def ship(tag: str) -> CallTool:
    return CallTool(tool="ship", arguments={"tag": tag})


async def changes(
    harness: BotHarness, thread: str, text: str | None, claim: IdempotencyClaim | None = None, **made: Any
) -> CommitResult:
    """Alice edits her message m1, or deletes it where there is no text."""
    alice, place = person_address("alice"), Address("terminal:alice")
    facts = {"ref": "m1", "by": alice, "source": place, "provenance": Provenance.VERIFIED_PERSON, **made}
    changed = IncomingEdit.model_validate({**facts, "text": text, "at": harness.clock.now()})
    return await harness.bot.threads.edit_message(thread, changed, claim=claim)


async def test_an_edit_while_people_are_asked_leads_to_another_request(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship("v1"), ship("v2"), DONE)) as harness:
        thread = await harness.post_message("ship v1", ref="m1")
        first = await harness.wait_for_request(thread)
        await changes(harness, thread, "no, ship v2")
        state = await harness.wait_until(thread, lambda s: s.open_request is not None and s.open_request.id != first.id)
        assert state.open_request.arguments == {"tag": "v2"}
        await harness.answer_request(await harness.wait_for_request(thread), "approve")
        await harness.wait_until_settled(thread)
        assert [what for _, what in harness.recording_tools.runs] == ["ship v2"]
        await harness.check_replay(thread)


async def test_a_deletion_while_people_are_asked_takes_the_request_back(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship("v1"), DONE)) as harness:
        thread = await harness.post_message("ship v1", ref="m1")
        asked = await harness.wait_for_request(thread)
        await changes(harness, thread, None)
        await harness.wait_until_settled(thread)
        assert (await harness.bot.approvals.find_request(asked.id)).status == "superseded"
        assert harness.recording_tools.runs == []
        await harness.check_replay(thread)


async def test_what_becomes_of_a_message_is_written_down_where_a_thread_rests_and_nobody_wakes(
    database: Database, running_bot
) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await harness.post_message("hello", ref="m1")
        await harness.wait_until_settled(thread)
        for text in ("hello there", None):
            assert (await changes(harness, thread, text)).after.status == "done"
        assert (await harness.event_types(thread))[-2:] == ["MessageEdited", "MessageDeleted"]
        await harness.check_replay(thread)


async def test_the_same_edit_is_recorded_once_under_one_name_or_several(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await harness.post_message("hello", ref="m1")
        await harness.wait_until_settled(thread)
        recorded = await changes(harness, thread, "bye", CLAIM)
        again = await changes(harness, thread, "bye", CLAIM)
        renamed = await changes(harness, thread, "bye", IdempotencyClaim("slack", ("event:2",)))
        assert [event.type for event in recorded.events] == ["MessageEdited"]
        assert again.duplicate_of is not None
        assert (renamed.duplicate_of, renamed.events) == (None, ())
        assert (await harness.event_types(thread)).count("MessageEdited") == 1


@pytest.mark.parametrize("made", [{"ref": "m2"}, {"by": person_address("bob")}])
async def test_what_is_passed_over_leaves_no_event(database: Database, running_bot, made: dict[str, Any]) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await harness.post_message("hello", ref="m1")
        before = await harness.wait_until_settled(thread)
        for claim in (None, CLAIM, CLAIM):
            assert (await changes(harness, thread, "bye", claim, **made)).events == ()
        assert (await harness.bot.engine.load(thread)).version == before.version


async def test_a_cancelled_thread_takes_an_edit_without_a_word(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship("v1"))) as harness:
        thread = await harness.post_message("ship v1", ref="m1")
        await harness.wait_for_request(thread)
        await harness.bot.thread_control.cancel(thread, person_address("alice"))
        for text in ("stop", None):
            assert (await changes(harness, thread, text)).events == ()


async def test_an_edit_in_a_thread_nobody_knows_is_refused_and_its_name_stays_free(
    database: Database, running_bot
) -> None:
    async with running_bot(database) as harness:
        with pytest.raises(ThreadNotFound):
            await changes(harness, "thr_nowhere", "bye", CLAIM)
        assert await database.read(lambda connection: find_duplicate(connection, CLAIM)) is None
