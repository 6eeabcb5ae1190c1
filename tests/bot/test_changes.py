"""What people make of their messages later comes in once, and wakes nobody who rests."""

from typing import Any

import pytest

from agents.addresses import Address, person
from agents.errors import ThreadNotFound
from agents.messages import Changed, Provenance
from agents.steps import CallTool, DoneForNow
from bot.engine import Recorded
from storage.database import Database
from storage.inbox import Claim, seen
from tests.fakes.scripted import ScriptedModel
from tests.houses import House

DONE = DoneForNow(message="Done.")
CLAIM = Claim("slack", ("edit:T0:C1:1.5:2",))


def ship(tag: str) -> CallTool:
    return CallTool(tool="ship", arguments={"tag": tag})


async def changes(home: House, thread: str, text: str | None, claim: Claim | None = None, **made: Any) -> Recorded:
    """Alice edits her message m1, or deletes it where there is no text."""
    alice, place = person("alice"), Address("terminal:alice")
    facts = {"ref": "m1", "by": alice, "source": place, "provenance": Provenance.VERIFIED_PERSON, **made}
    changed = Changed.model_validate({**facts, "text": text, "at": home.clock.now()})
    return await home.bot.intake.change(thread, changed, claim=claim)


async def test_an_edit_while_people_are_asked_leads_to_another_request(database: Database, house) -> None:
    async with house(database, ScriptedModel(ship("v1"), ship("v2"), DONE)) as home:
        thread = await home.says("ship v1", ref="m1")
        first = await home.asked(thread)
        await changes(home, thread, "no, ship v2")
        state = await home.until(thread, lambda s: s.request is not None and s.request.id != first.id)
        assert state.request.arguments == {"tag": "v2"}
        await home.answers(await home.asked(thread), "approve")
        await home.at_rest(thread)
        assert [what for _, what in home.workshop.done] == ["ship v2"]
        await home.check_replay(thread)


async def test_a_deletion_while_people_are_asked_takes_the_request_back(database: Database, house) -> None:
    async with house(database, ScriptedModel(ship("v1"), DONE)) as home:
        thread = await home.says("ship v1", ref="m1")
        asked = await home.asked(thread)
        await changes(home, thread, None)
        await home.at_rest(thread)
        assert (await home.bot.deciding.find(asked.id)).status == "superseded"
        assert home.workshop.done == []
        await home.check_replay(thread)


async def test_what_becomes_of_a_message_is_written_down_where_a_thread_rests_and_nobody_wakes(
    database: Database, house
) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await home.says("hello", ref="m1")
        await home.at_rest(thread)
        for text in ("hello there", None):
            assert (await changes(home, thread, text)).after.status == "done"
        assert (await home.story(thread))[-2:] == ["MessageEdited", "MessageDeleted"]
        await home.check_replay(thread)


async def test_the_same_edit_is_recorded_once_under_one_name_or_several(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await home.says("hello", ref="m1")
        await home.at_rest(thread)
        recorded = await changes(home, thread, "bye", CLAIM)
        again = await changes(home, thread, "bye", CLAIM)
        renamed = await changes(home, thread, "bye", Claim("slack", ("event:2",)))
        assert [event.type for event in recorded.events] == ["MessageEdited"]
        assert again.earlier is not None
        assert (renamed.earlier, renamed.events) == (None, ())
        assert (await home.story(thread)).count("MessageEdited") == 1


@pytest.mark.parametrize("made", [{"ref": "m2"}, {"by": person("bob")}])
async def test_what_is_passed_over_leaves_no_event(database: Database, house, made: dict[str, Any]) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await home.says("hello", ref="m1")
        before = await home.at_rest(thread)
        for claim in (None, CLAIM, CLAIM):
            assert (await changes(home, thread, "bye", claim, **made)).events == ()
        assert (await home.bot.engine.load(thread)).version == before.version


async def test_a_cancelled_thread_takes_an_edit_without_a_word(database: Database, house) -> None:
    async with house(database, ScriptedModel(ship("v1"))) as home:
        thread = await home.says("ship v1", ref="m1")
        await home.asked(thread)
        await home.bot.steering.cancel(thread, person("alice"))
        for text in ("stop", None):
            assert (await changes(home, thread, text)).events == ()


async def test_an_edit_in_a_thread_nobody_knows_is_refused_and_its_name_stays_free(database: Database, house) -> None:
    async with house(database) as home:
        with pytest.raises(ThreadNotFound):
            await changes(home, "thr_nowhere", "bye", CLAIM)
        assert await database.read(lambda connection: seen(connection, CLAIM)) is None
