"""Tests of the engine's main path: a message, a call that needs approval, an answer, the tool, a reply."""

import asyncio
from collections import Counter

import pytest

from agents.core.errors import AlreadySettled, Forbidden, InvalidAnswer
from agents.core.event_truncation import MAX_TEXT_BYTES
from agents.core.requests import MAX_UNCOUNTED_ANSWERS, MAX_UNCOUNTED_ANSWERS_KEPT
from agents.core.steps import Await, DoneForNow, RequestHumanInput
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel

SHIP = {"intent": "ship", "tag": "v1"}
"""A step as a model writes it; `intent` is the name of the tool."""

DONE = DoneForNow(message="Shipped.")
ROUND_TRIP_EVENTS = [
    *("ThreadStarted", "MessageReceived", "StepChosen", "ToolCalled", "RequestOpened", "RequestShown"),
    *("RequestAnswered", "MessageSent", "ToolStarted", "ToolSucceeded"),
    *("StepChosen", "ReplyChosen", "ThreadFinished", "MessageSent"),
]


@on_every_setup
async def test_approved_call_runs_once_and_a_reply_follows(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        assert harness.tool_call_recorder.runs == []
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        assert [action for _, action in harness.tool_call_recorder.runs] == ["ship v1"]
        assert Counter(await harness.event_types(thread_id)) == Counter(ROUND_TRIP_EVENTS)
        await harness.check_replay(thread_id)


@on_every_setup
async def test_approval_round_trip_needs_nine_commits_or_fewer(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await harness.wait_until_done(thread_id)
        assert len(harness.commits) <= 9


async def test_denial_runs_nothing_and_its_comment_reaches_the_model(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, DoneForNow(message="Not shipped."))
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.answer_request(await harness.wait_for_request(thread_id), "deny", comment="use <v2> instead")
        await harness.wait_until_done(thread_id)
        assert harness.tool_call_recorder.runs == []
        assert 'person_denied by="person:bob">use &lt;v2&gt; instead<' in model.received[-1].prompt.user


async def test_requester_and_people_without_the_role_cannot_approve(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1", person_key="bob")
        request = await harness.wait_for_request(thread_id)
        for person_key, reason in (
            ("bob", "another person must approve"),
            ("alice", "is not allowed to decide"),
            ("mallory", "is not allowed to decide"),
        ):
            with pytest.raises(Forbidden, match=reason):
                await harness.answer_request(request, "approve", person_key=person_key)
        state = await harness.bot.engine.load(thread_id)
        assert state.status == "waiting_for_human"
        assert [
            (answer.by, answer.counted) for answer in (await harness.bot.approvals.find_request(request.id)).answers
        ] == [
            ("person:bob", False),
            ("person:alice", False),
        ]
        assert "mallory" not in str(await harness.events(thread_id))


async def test_number_of_recorded_uncounted_answers_is_limited(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        for number in range(MAX_UNCOUNTED_ANSWERS + 5):
            with pytest.raises(Forbidden, match="is not allowed to decide"):
                await harness.answer_request(request, "approve", person_key="alice", comment=f"no {number}")
        updated_request = await harness.bot.approvals.find_request(request.id)
        kept = range(MAX_UNCOUNTED_ANSWERS - MAX_UNCOUNTED_ANSWERS_KEPT, MAX_UNCOUNTED_ANSWERS)
        assert [answer.comment for answer in updated_request.answers] == [f"no {number}" for number in kept]
        assert updated_request.refused_count == MAX_UNCOUNTED_ANSWERS
        assert (await harness.event_types(thread_id)).count("RequestAnswered") == MAX_UNCOUNTED_ANSWERS
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        assert [answer.counted for answer in (await harness.bot.approvals.find_request(request.id)).answers].count(
            True
        ) == 1
        await harness.check_replay(thread_id)


async def test_long_texts_are_truncated_when_appended(database: Database, running_bot) -> None:
    long_text = "é" * MAX_TEXT_BYTES
    async with running_bot(database, ScriptedModel(DoneForNow(message=long_text))) as harness:
        thread_id = await harness.post_message(long_text)
        await harness.wait_until_done(thread_id)
        texts = [
            event.text for event in await harness.events(thread_id) if event.type in ("MessageReceived", "ReplyChosen")
        ]
        assert len(texts) == 2
        for text in texts:
            assert text.endswith("… (truncated: 64000 characters in all)")
            assert len(text.encode()) <= MAX_TEXT_BYTES
        await harness.check_replay(thread_id)


@on_every_setup
async def test_one_of_100_concurrent_answers_wins(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        answers = [("bob", "approve"), ("carol", "deny")] * 50
        tasks = [harness.answer_request(request, decision, person_key=person_key) for person_key, decision in answers]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        ((winner, _),) = [
            answer for answer, result in zip(answers, results, strict=True) if not isinstance(result, AlreadySettled)
        ]
        assert (
            sum(
                isinstance(result, AlreadySettled) and f"by {winner.title()} (terminal)" in str(result)
                for result in results
            )
            == 99
        )
        await harness.wait_until_done(thread_id)
        assert len(harness.tool_call_recorder.runs) == (winner == "bob")


async def test_message_answers_a_question(database: Database, running_bot) -> None:
    question = RequestHumanInput(question="Where?", choices=("here", "there"), format="multiple_choice")
    model = ScriptedModel(question, DoneForNow(message="There it is."))
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("put it somewhere")
        request = await harness.wait_for_request(thread_id)
        with pytest.raises(InvalidAnswer, match="here, there"):
            await harness.answer_request(request, "answer", text="everywhere")
        await harness.post_message("There", thread_id=thread_id)
        await harness.wait_until_done(thread_id)
        assert "person_answered" in model.received[-1].prompt.user


async def test_message_while_an_approval_is_open_never_approves(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        for text in ("yes", "ok", "approve", f"APPROVE {request.code}", "looks good to me"):
            await harness.post_message(text, thread_id=thread_id, person_key="bob")
        state = await harness.bot.engine.load(thread_id)
        assert state.status == "waiting_for_human"
        assert harness.tool_call_recorder.runs == []


@on_every_setup
async def test_new_instruction_supersedes_the_open_approval(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, {"intent": "ship", "tag": "v2"})
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("ship v1")
        first = await harness.wait_for_request(thread_id)
        await harness.post_message("use v2 instead", thread_id=thread_id)
        second = (
            await harness.wait_until(thread_id, lambda state: state.open_request and state.open_request.id != first.id)
        ).open_request
        assert second is not None
        assert second.arguments == {"tag": "v2"}
        with pytest.raises(AlreadySettled, match="replaced by a new instruction"):
            await harness.answer_request(first, "approve")
        state = await harness.wait_until(thread_id, lambda state: not state.pending_messages)
        assert (await harness.bot.approvals.find_request(first.id)).cards[0].state == "superseded"
        assert state.status == "waiting_for_human"


async def test_new_message_reopens_a_finished_thread(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="Hello."), DoneForNow(message="Hello again."))
    ) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        await harness.post_message("hello?", thread_id=thread_id)
        await harness.wait_until(
            thread_id, lambda state: len([e for e in state.history if e.type == "ReplyChosen"]) == 2
        )


@on_every_setup
async def test_await_step_ends_at_its_time(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(Await(seconds=600, reason="patience"), DONE)) as harness:
        thread_id = await harness.post_message("wait a bit")
        await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
        harness.clock.advance(minutes=10)
        await harness.wait_until_done(thread_id)
        assert "TimerFired" in await harness.event_types(thread_id)
