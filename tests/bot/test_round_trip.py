"""The main job in the engine: a message, a gated call, an answer, the tool, a reply."""

import asyncio
from collections import Counter

import pytest

from agents.capping import MAX_TEXT_BYTES
from agents.errors import AlreadySettled, InvalidAnswer, NotAllowed
from agents.requests import MAX_REFUSALS
from agents.steps import Await, DoneForNow, RequestHumanInput
from storage.database import Database
from tests.fakes.scripted import ScriptedModel

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Shipped.")
ROUND_TRIP = [
    *("ThreadStarted", "MessageReceived", "StepChosen", "ToolCalled", "RequestOpened", "RequestShown"),
    *("RequestAnswered", "MessageSent", "ToolStarted", "ToolSucceeded"),
    *("StepChosen", "ReplyChosen", "ThreadFinished", "MessageSent"),
]


async def test_an_approved_call_runs_once_and_the_reply_follows(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        assert home.workshop.done == []
        await home.answers(request, "approve")
        await home.at_rest(thread)
        assert [what for _, what in home.workshop.done] == ["ship v1"]
        assert Counter(await home.story(thread)) == Counter(ROUND_TRIP)
        await home.check_replay(thread)


async def test_an_approval_round_trip_takes_at_most_nine_commits(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE)) as home:
        thread = await home.says("ship v1")
        await home.answers(await home.asked(thread), "approve")
        await home.at_rest(thread)
        assert len(home.commits) <= 9


async def test_a_denial_runs_nothing_and_its_comment_reaches_the_model(database: Database, house) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="Not shipped."))
    async with house(database, model) as home:
        thread = await home.says("ship v1")
        await home.answers(await home.asked(thread), "deny", comment="use <v2> instead")
        await home.at_rest(thread)
        assert home.workshop.done == []
        assert 'person_denied by="person:bob">use &lt;v2&gt; instead<' in model.turns[-1].prompt.user


async def test_the_requester_and_strangers_are_refused_and_the_request_stays_open(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP)) as home:
        thread = await home.says("ship v1", by="bob")
        request = await home.asked(thread)
        for who, why in (("bob", "second person"), ("alice", "not among those"), ("mallory", "not among those")):
            with pytest.raises(NotAllowed, match=why):
                await home.answers(request, "approve", by=who)
        state = await home.bot.engine.load(thread)
        assert state.status == "waiting_for_human"
        assert [(a.by, a.counted) for a in (await home.bot.deciding.find(request.id)).answers] == [
            ("person:bob", False),
            ("person:alice", False),
        ]
        assert "mallory" not in str(await home.log(thread))


async def test_refused_answers_are_all_told_and_do_not_grow_for_ever(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        for number in range(MAX_REFUSALS + 5):
            with pytest.raises(NotAllowed, match="not among those"):
                await home.answers(request, "approve", by="alice", comment=f"no {number}")
        kept = await home.bot.deciding.find(request.id)
        assert [answer.comment for answer in kept.answers] == [f"no {n}" for n in range(90, 100)]
        assert kept.refused_count == MAX_REFUSALS
        assert (await home.story(thread)).count("RequestAnswered") == MAX_REFUSALS
        await home.answers(request, "approve")
        await home.at_rest(thread)
        assert [answer.counted for answer in (await home.bot.deciding.find(request.id)).answers].count(True) == 1
        await home.check_replay(thread)


async def test_long_texts_are_cut_where_they_enter_the_log(database: Database, house) -> None:
    whole = "é" * MAX_TEXT_BYTES
    async with house(database, ScriptedModel(DoneForNow(message=whole))) as home:
        thread = await home.says(whole)
        await home.at_rest(thread)
        texts = [event.text for event in await home.log(thread) if event.type in ("MessageReceived", "ReplyChosen")]
        assert len(texts) == 2
        for text in texts:
            assert text.endswith("… (cut: 64000 characters in all)")
            assert len(text.encode()) <= MAX_TEXT_BYTES
        await home.check_replay(thread)


async def test_of_a_hundred_answers_at_once_one_decides_and_the_others_are_told_who_did(
    database: Database, house
) -> None:
    async with house(database, ScriptedModel(SHIP, DONE)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        tried = [("bob", "approve"), ("carol", "deny")] * 50
        tries = [home.answers(request, decision, by=who) for who, decision in tried]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        ((winner, _),) = [who for who, end in zip(tried, ends, strict=True) if not isinstance(end, AlreadySettled)]
        assert sum(isinstance(end, AlreadySettled) and f"by {winner} (terminal)" in str(end) for end in ends) == 99
        await home.at_rest(thread)
        assert len(home.workshop.done) == (winner == "bob")


async def test_a_question_is_answered_in_the_thread_and_the_agent_goes_on(database: Database, house) -> None:
    ask = RequestHumanInput(question="Where?", choices=("here", "there"), format="multiple_choice")
    model = ScriptedModel(ask, DoneForNow(message="There it is."))
    async with house(database, model) as home:
        thread = await home.says("put it somewhere")
        request = await home.asked(thread)
        with pytest.raises(InvalidAnswer, match="here, there"):
            await home.answers(request, "answer", text="everywhere")
        await home.says("There", thread=thread)
        await home.at_rest(thread)
        assert "person_answered" in model.turns[-1].prompt.user


async def test_a_message_while_an_approval_is_open_never_approves(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP)) as home:
        thread = await home.says("ship v1")
        await home.asked(thread)
        for words in ("yes", "ok", "approve", "APPROVE A00003", "looks good to me"):
            await home.says(words, thread=thread, by="bob")
        state = await home.bot.engine.load(thread)
        assert state.status == "waiting_for_human"
        assert home.workshop.done == []


async def test_a_new_instruction_supersedes_the_open_approval(database: Database, house) -> None:
    model = ScriptedModel(SHIP, {"intent": "ship", "tag": "v2"})
    async with house(database, model) as home:
        thread = await home.says("ship v1")
        first = await home.asked(thread)
        await home.says("use v2 instead", thread=thread)
        second = (await home.until(thread, lambda s: s.request and s.request.id != first.id)).request
        assert second is not None
        assert second.arguments == {"tag": "v2"}
        with pytest.raises(AlreadySettled, match="replaced by a new instruction"):
            await home.answers(first, "approve")
        state = await home.until(thread, lambda s: not s.outgoing)
        assert (await home.bot.deciding.find(first.id)).cards[0].state == "superseded"
        assert state.status == "waiting_for_human"


async def test_after_done_for_now_a_new_message_re_opens_the_thread(database: Database, house) -> None:
    async with house(database, ScriptedModel(DoneForNow(message="Hello."), DoneForNow(message="Hello again."))) as home:
        thread = await home.says("hello")
        await home.at_rest(thread)
        await home.says("hello?", thread=thread)
        await home.until(thread, lambda s: len([e for e in s.recent if e.type == "ReplyChosen"]) == 2)


async def test_an_await_survives_as_a_time_and_ends_when_the_clock_says_so(database: Database, house) -> None:
    async with house(database, ScriptedModel(Await(seconds=600, reason="patience"), DONE)) as home:
        thread = await home.says("wait a bit")
        await home.until(thread, lambda s: s.status == "waiting_for_time")
        home.clock.advance(minutes=10)
        await home.at_rest(thread)
        assert "TimerFired" in await home.story(thread)
