"""Tests of edits and deletions of messages."""

from typing import Any

import pytest

from agents.core.errors import ThreadNotFound
from agents.core.messages import IncomingEdit, Provenance
from agents.core.steps import CallTool, DoneForNow
from agents.core.values import Address, person_address
from bot.services.engine import CommitResult
from storage.database.database import Database
from storage.inbox import IdempotencyClaim, find_duplicate
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness

DONE = DoneForNow(message="Done.")
CLAIM = IdempotencyClaim("slack", ("edit:T0:C1:1.5:2",))


def ship_call(tag: str) -> CallTool:
    return CallTool(tool="ship", arguments={"tag": tag})


async def edit_message(
    harness: BotHarness, thread_id: str, text: str | None, claim: IdempotencyClaim | None = None, **overrides: Any
) -> CommitResult:
    """Edit Alice's message m1, or delete it if there is no text."""
    alice, address = person_address("alice"), Address("terminal:alice")
    fields = {"ref": "m1", "by": alice, "source": address, "provenance": Provenance.VERIFIED_PERSON, **overrides}
    edit = IncomingEdit.model_validate({**fields, "text": text, "at": harness.clock.now()})
    return await harness.bot.threads.edit_message(thread_id, edit, claim=claim)


async def test_edit_while_a_request_is_open_opens_another_request(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship_call("v1"), ship_call("v2"), DONE)) as harness:
        thread_id = await harness.post_message("ship v1", ref="m1")
        first = await harness.wait_for_request(thread_id)
        await edit_message(harness, thread_id, "no, ship v2")
        state = await harness.wait_until(
            thread_id, lambda state: state.open_request is not None and state.open_request.id != first.id
        )
        assert state.open_request.arguments == {"tag": "v2"}
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await harness.wait_until_done(thread_id)
        assert [action for _, action in harness.tool_call_recorder.runs] == ["ship v2"]
        await harness.check_replay(thread_id)


async def test_deletion_while_a_request_is_open_supersedes_it(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship_call("v1"), DONE)) as harness:
        thread_id = await harness.post_message("ship v1", ref="m1")
        request = await harness.wait_for_request(thread_id)
        await edit_message(harness, thread_id, text=None)
        await harness.wait_until_done(thread_id)
        assert (await harness.bot.approvals.find_request(request.id)).status == "superseded"
        assert harness.tool_call_recorder.runs == []
        await harness.check_replay(thread_id)


async def test_edits_in_a_finished_thread_are_recorded_without_work(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await harness.post_message("hello", ref="m1")
        await harness.wait_until_done(thread_id)
        for text in ("hello there", None):
            assert (await edit_message(harness, thread_id, text)).after.status == "done"
        assert (await harness.event_types(thread_id))[-2:] == ["MessageEdited", "MessageDeleted"]
        await harness.check_replay(thread_id)


@on_every_setup
async def test_same_edit_is_recorded_once_for_several_claims(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await harness.post_message("hello", ref="m1")
        await harness.wait_until_done(thread_id)
        first = await edit_message(harness, thread_id, "bye", CLAIM)
        duplicate = await edit_message(harness, thread_id, "bye", CLAIM)
        other_claim = await edit_message(harness, thread_id, "bye", IdempotencyClaim("slack", ("event:2",)))
        assert [event.type for event in first.events] == ["MessageEdited"]
        assert duplicate.duplicate_of is not None
        assert (other_claim.duplicate_of, other_claim.events) == (None, ())
        assert (await harness.event_types(thread_id)).count("MessageEdited") == 1


@pytest.mark.parametrize("overrides", [{"ref": "m2"}, {"by": person_address("bob")}])
async def test_ignored_edit_adds_no_event(database: Database, running_bot, overrides: dict[str, Any]) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await harness.post_message("hello", ref="m1")
        before = await harness.wait_until_done(thread_id)
        for claim in (None, CLAIM, CLAIM):
            assert (await edit_message(harness, thread_id, "bye", claim, **overrides)).events == ()
        assert (await harness.bot.engine.load(thread_id)).version == before.version


async def test_cancelled_thread_ignores_edits(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ship_call("v1"))) as harness:
        thread_id = await harness.post_message("ship v1", ref="m1")
        await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.cancel(thread_id, person_address("alice"))
        for text in ("stop", None):
            assert (await edit_message(harness, thread_id, text)).events == ()


async def test_edit_in_unknown_thread_raises_and_records_no_claim(database: Database, running_bot) -> None:
    async with running_bot(database) as harness:
        with pytest.raises(ThreadNotFound):
            await edit_message(harness, "thr_nowhere", "bye", CLAIM)
        assert await database.read(lambda connection: find_duplicate(connection, CLAIM)) is None
