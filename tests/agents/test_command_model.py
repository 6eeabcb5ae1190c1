"""The offline model answers from an agent's commands and the thread's events alone."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import Address
from agents.agent import Agent
from agents.command_history import command_history
from agents.command_model import CommandModel, help_text
from agents.commands import Commands
from agents.completion import CompletionOutcome
from agents.effects import CallModel
from agents.events import MessageReceived
from agents.next_step import next_work
from agents.output_parser import step_from_dict
from agents.policy import ApprovalTerms, Policy, Rule
from agents.registry import AGENTS
from agents.state import ThreadState
from agents.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput
from agents.tools import ToolContext, ToolResult, tool
from tests.agents.conversation import ALICE, PEOPLE, Conversation
from tests.fakes.scripted_model import ScriptedModel

COMMANDS = """
[[commands]]
say = ["ship {version} to {place}", "put {version} on {place}"]
does = "ships a version"
step = { intent = "ship", version = "{version}", place = "{place}" }
reply = "{place} runs {version} since {hour}: {summary}"

[[commands]]
say = ["ship {version}"]
does = "asks where, then ships"
step = { intent = "request_human_input", question = "Where to?", choices = ["sea", "moon"], format = "multiple_choice" }
answered = "ship {version} to {answer}"

[[commands]]
say = ["tell me more"]
does = "asks what about"
step = { intent = "request_human_input", question = "About what?" }
answered = "list {answer} ships"

[[commands]]
say = ["list {limit:int} ships"]
does = "lists ships"
step = { intent = "list_ships", limit = "{limit:int}" }

[[commands]]
say = ["wait"]
does = "waits a minute"
step = { intent = "await", seconds = 60, reason = "tea" }

[[commands]]
say = ["stop"]
does = "leaves it at that"
step = { intent = "done_for_now", message = "All right." }

[[commands]]
say = ["hush"]
does = "says nothing"
step = { intent = "nothing_to_do", reason = "quiet" }
"""


@tool(effect="once", risk="high", ask=ApprovalTerms(roles=("release",)))
def ship(context: ToolContext, version: str, place: str) -> ToolResult:
    """Ship a version."""
    return ToolResult(summary=f"{context.key} {version} {place}")


@tool(effect="read")
def list_ships(context: ToolContext, limit: int = 3) -> ToolResult:
    """List ships."""
    return ToolResult(summary=f"{context.key} {limit}")


AGENT = Agent(
    name="harbour",
    purpose="Ships things.",
    instructions="Ship.",
    tools=(ship, list_ships),
    commands=Commands.parse(COMMANDS),
)
SHIP = CallTool(tool="ship", arguments={"version": "v1", "place": "sea"})
LIST = CallTool(tool="list_ships", arguments={"limit": 2})


@pytest.fixture
def offline_thread() -> Conversation:
    """A thread without any other model."""
    return Conversation(AGENT, CommandModel())


def helped_by(*steps: DoneForNow | CallTool | RequestHumanInput) -> tuple[Conversation, ScriptedModel]:
    """A thread with a model behind the commands."""
    fallback = ScriptedModel(*steps)
    return Conversation(AGENT, CommandModel(fallback)), fallback


# (a) what a person says


async def test_a_command_is_its_step_and_costs_nothing(offline_thread: Conversation) -> None:
    offline_thread.post_message("Please ship v1 to sea!")

    completion = await offline_thread.run_model()

    assert (completion.outcome, completion.model, completion.usage) == (CompletionOutcome.OK, "commands", None)
    assert completion.step == SHIP


async def test_a_slot_that_is_a_number_reaches_the_tool_as_one(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")

    assert await offline_thread.next_step() == LIST


async def test_every_kind_of_step_can_be_a_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("wait")
    assert await offline_thread.next_step() == Await(seconds=60, reason="tea")

    offline_thread.post_message("hush")
    assert await offline_thread.next_step() == NothingToDo(reason="quiet")

    offline_thread.post_message("stop")
    assert await offline_thread.next_step() == DoneForNow(message="All right.")


async def test_a_command_with_a_wrong_argument_is_told_so(offline_thread: Conversation) -> None:
    broken = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    offline_thread.agent = Agent(name="harbour", purpose="", instructions="", tools=(list_ships,), commands=broken)
    offline_thread.post_message("list many")

    assert (
        await offline_thread.run_model_to_reply()
        == "I cannot do that: list_ships: limit: Input should be a valid integer"
    )


async def test_what_was_looked_up_beforehand_is_not_taken_for_a_result(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    offline_thread.prefetch("list_ships", "the Argo")

    assert await offline_thread.next_step() == SHIP


async def test_what_was_looked_up_beforehand_is_not_told_either(offline_thread: Conversation) -> None:
    offline_thread.post_message("hello")
    offline_thread.prefetch("list_ships", "the Argo")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


# (b) answers to the commands' own questions


async def test_an_answer_completes_the_command_that_asked(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    assert isinstance(await offline_thread.next_step(), RequestHumanInput)

    offline_thread.answer_request("answer", text="sea")

    assert await offline_thread.next_step() == SHIP


async def test_an_answer_given_as_a_message_completes_it_once(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    await offline_thread.next_step()
    offline_thread.post_message("Sea")
    assert await offline_thread.next_step() == SHIP

    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("done", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: done"


async def test_an_answer_that_is_a_command_itself_is_that_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("tell me more")
    await offline_thread.next_step()
    offline_thread.post_message("list 2 ships")

    assert await offline_thread.next_step() == LIST

    offline_thread.succeed_tool("the Argo")
    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_an_answer_nobody_understands_gets_the_list_of_commands(offline_thread: Conversation) -> None:
    offline_thread.post_message("tell me more")
    await offline_thread.next_step()
    offline_thread.post_message("the weather")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


async def test_an_answer_the_commands_do_not_understand_goes_to_the_model() -> None:
    thread, fallback = helped_by(DoneForNow(message="It is sunny."))
    thread.post_message("tell me more")
    await thread.next_step()
    thread.post_message("the weather")

    assert await thread.run_model_to_reply() == "It is sunny."
    fallback.check()


async def words_told(thread: Conversation, said: str) -> list[str]:
    told: list[str] = []
    thread.post_message(said)
    await thread.model.complete(thread._model_request(), told.append)
    return told


async def test_a_model_is_heard_while_it_writes() -> None:
    thread, _ = helped_by(DoneForNow(message="It is sunny."))

    assert await words_told(thread, "how is the weather?") == ["It", "It is", "It is sunny."]


async def test_commands_reply_at_once(offline_thread: Conversation) -> None:
    assert await words_told(offline_thread, "stop") == []


# (c) results


async def test_a_result_is_told_in_the_commands_words(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9, "crew": ["Jason"]})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_a_result_tells_what_was_really_done_not_what_was_said(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.edit_arguments(version="v2")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v2 since 9: all aboard"


async def test_a_result_whose_command_is_forgotten_is_told_in_the_tools_words(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})
    offline_thread.drop_history(keep=4)

    assert await offline_thread.run_model_to_reply() == "all aboard"


async def test_a_remark_in_between_changes_nothing(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.post_message("thanks")
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_a_remark_in_between_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="The Argo, and yes, it floats."))
    thread.post_message("list 2 ships")
    await thread.run_model()
    thread.post_message("do they float?")
    thread.succeed_tool("the Argo")

    assert await thread.run_model_to_reply() == "The Argo, and yes, it floats."
    fallback.check()


async def test_commands_given_while_one_runs_are_all_done_and_all_told(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.post_message("list 4 ships")
    offline_thread.post_message("list 5 ships")
    offline_thread.succeed_tool("two")

    assert await offline_thread.next_step() == CallTool(tool="list_ships", arguments={"limit": 4})
    offline_thread.succeed_tool("four")
    assert await offline_thread.next_step() == CallTool(tool="list_ships", arguments={"limit": 5})
    offline_thread.succeed_tool("five")

    assert await offline_thread.run_model_to_reply() == "two\n\nfour\n\nfive"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda thread: thread.answer_request("deny"), "Not done: bob denied it."),
        (
            Conversation.expire_request,
            "The request expired without an answer, so nothing was done. Ask again if you still want it.",
        ),
    ],
)
async def test_a_look_asked_for_while_people_decide_comes_after_their_decision_and_hides_nothing(
    offline_thread: Conversation, end: Callable[[Conversation], None], told: str
) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("list 2 ships")
    end(offline_thread)
    assert await offline_thread.next_step() == LIST
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == f"{told}\n\nthe Argo"


async def test_a_stop_that_comes_too_late_does_not_hide_what_was_done(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.post_message("stop")
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_the_next_command_starts_afresh(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.succeed_tool("the Argo")
    await offline_thread.run_model_to_reply()
    offline_thread.post_message("list 4 ships")
    await offline_thread.run_model()
    offline_thread.succeed_tool("four")

    assert await offline_thread.run_model_to_reply() == "four"


# (d) failures


async def test_a_failure_is_told_plainly(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.fail_tool("the harbour is closed")

    assert await offline_thread.run_model_to_reply() == "That did not work: the harbour is closed"


async def test_a_denial_by_policy_is_told_with_its_reason(offline_thread: Conversation) -> None:
    offline_thread.policy = Policy(rules=(Rule(name="no ships", tool="ship", deny="not on Fridays"),), people=PEOPLE)
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()

    assert await offline_thread.run_model_to_reply() == "I did not do that: not on Fridays"


async def test_a_call_that_makes_no_sense_is_told_and_not_tried_again(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v9 to sea")
    await offline_thread.run_model_with_rejected_call("there is no v9")

    assert await offline_thread.run_model_to_reply() == "I did not do that: there is no v9"


# (e) people say no


async def test_a_no_is_told_with_the_name_and_the_reason(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("deny", comment="there is a storm")

    assert await offline_thread.run_model_to_reply() == "Not done: bob denied it: there is a storm"


async def test_a_no_without_a_reason_is_told_too_and_needs_no_model() -> None:
    thread, fallback = helped_by()
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.answer_request("deny")

    assert await thread.run_model_to_reply() == "Not done: bob denied it."
    assert fallback.received == []


async def test_a_no_with_a_reason_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="I will try the moon."))
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.answer_request("deny", comment="rather the moon")

    assert await thread.run_model_to_reply() == "I will try the moon."
    fallback.check()


# (f) time, and changes of mind


async def test_silence_is_told_as_a_timeout(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.expire_request()

    assert (
        await offline_thread.run_model_to_reply()
        == "The request expired without an answer, so nothing was done. Ask again if you still want it."
    )


async def test_a_question_nobody_answers_is_told_as_a_timeout(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    await offline_thread.run_model()
    offline_thread.expire_request()

    assert (await offline_thread.run_model_to_reply()).startswith("The request expired without an answer")


async def test_an_approval_that_was_held_and_given_late_is_told_as_done(offline_thread: Conversation) -> None:
    held = Rule(name="patience", tool="ship", ask=ApprovalTerms(roles=("release",), on_expire="hold"))
    offline_thread.policy = Policy(rules=(held,), people=PEOPLE)
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.expire_request()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_a_new_command_takes_the_place_of_the_one_that_waits(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("ship v2 to moon")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "moon runs v2 since 9: all aboard"


async def test_a_command_that_only_talks_withdraws_what_waits(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("stop")

    assert await offline_thread.run_model_to_reply() == "All right."


async def test_a_correction_that_is_no_command_withdraws_what_waits(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("no, do not do that")

    assert await offline_thread.run_model_to_reply() == "I withdrew the request; nothing was done."


async def test_a_correction_that_is_no_command_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(SHIP.model_copy(update={"arguments": {"version": "v2", "place": "sea"}}))
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.post_message("actually, v2 instead")

    assert (await thread.run_model()).model == "scripted"
    fallback.check()


async def test_a_wait_that_is_over_is_told(offline_thread: Conversation) -> None:
    offline_thread.post_message("wait")
    await offline_thread.run_model()
    offline_thread.end_wait()

    assert await offline_thread.run_model_to_reply() == "The wait is over: tea"


@pytest.mark.parametrize("looked", ["ran", "did not run"])
async def test_what_a_person_found_out_is_told(offline_thread: Conversation, looked: str) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.answer_request("answer", text=looked)

    assert await offline_thread.run_model_to_reply() == f"bob checked ship: {looked}."


async def test_a_call_that_is_run_again_is_told_by_its_result(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.answer_request("answer", text="run again")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_a_call_nobody_can_tell_about_is_never_told_as_not_done(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.expire_request()

    assert (await offline_thread.run_model_to_reply()).startswith("I cannot tell whether ship ran")


# (g) anything else


async def test_what_no_command_says_gets_the_list_of_commands(offline_thread: Conversation) -> None:
    offline_thread.post_message("sing me a song")

    told = await offline_thread.run_model_to_reply()

    assert told.startswith("I am harbour. You can tell me:\n- ship VERSION to PLACE: ships a version\n")
    assert "- list LIMIT ships: lists ships" in told


async def test_an_agent_without_commands_says_what_it_is_and_what_it_needs() -> None:
    mute = Agent(name="mute", purpose="Listens.", instructions="", tools=())
    thread = Conversation(mute, CommandModel())
    thread.post_message("hello")

    assert (
        await thread.run_model_to_reply()
        == "I am mute. Listens. I need a language model to work: set OPENAI_API_KEY."
    )


async def test_what_no_command_says_goes_to_the_model_as_it_is() -> None:
    thread, fallback = helped_by(DoneForNow(message="La la la."))
    thread.post_message("sing me a song")

    completion = await thread.run_model()

    assert (completion.model, completion.step) == ("scripted", DoneForNow(message="La la la."))
    assert "sing me a song" in fallback.received[0].prompt.user


async def test_a_command_with_a_wrong_argument_goes_to_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="How many is many?"))
    broken = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    thread.agent = Agent(name="harbour", purpose="", instructions="", tools=(list_ships,), commands=broken)
    thread.post_message("list many")

    assert await thread.run_model_to_reply() == "How many is many?"
    fallback.check()


async def test_what_the_model_began_it_also_ends() -> None:
    thread, fallback = helped_by(LIST, DoneForNow(message="Two ships."))
    thread.post_message("how many ships are there?")
    await thread.run_model()
    thread.post_message("list 4 ships")
    thread.succeed_tool("two")

    assert await thread.run_model_to_reply() == "Two ships."
    fallback.check()


async def test_a_command_is_obeyed_also_after_the_model_had_the_word() -> None:
    thread, fallback = helped_by(SHIP)
    thread.post_message("send the first one out to sea")
    await thread.run_model()
    thread.post_message("ship v1")

    completion = await thread.run_model()

    assert completion.model == "commands"
    assert isinstance(completion.step, RequestHumanInput)
    fallback.check()


async def test_a_question_of_the_model_is_answered_to_the_model() -> None:
    thread, fallback = helped_by(RequestHumanInput(question="How many?"), DoneForNow(message="I see."))
    thread.post_message("show me some")
    await thread.run_model()
    thread.post_message("list 2 ships")

    assert await thread.run_model_to_reply() == "I see."
    fallback.check()


async def test_a_model_that_failed_is_asked_again() -> None:
    thread, fallback = helped_by(DoneForNow(message="La la la."))
    thread.post_message("sing me a song")
    thread.reject_step(CompletionOutcome.TIMEOUT, "scripted")

    assert await thread.run_model_to_reply() == "La la la."
    fallback.check()


async def test_help_that_is_a_command_is_obeyed(offline_thread: Conversation) -> None:
    offline_thread.post_message("sing me a song")
    offline_thread.ask_for_help()
    offline_thread.answer_request("answer", text="list 2 ships")

    assert await offline_thread.next_step() == LIST


async def test_more_budget_changes_nothing_about_what_is_next(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    offline_thread.extend_budget()
    assert await offline_thread.next_step() == LIST

    offline_thread.succeed_tool("the Argo")
    offline_thread.extend_budget()
    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_a_copy_of_a_thread_takes_nothing_over(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.fork()
    offline_thread.post_message("hello")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


async def test_an_answer_that_does_not_count_is_not_listened_to(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("deny", by=Address("person:mallory"), comment="ha")
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


words = st.sampled_from(
    ["ship v1 to sea", "ship v1", "sea", "list 2 ships", "wait", "stop", "hush", "no", "hello", "tell me more", "4"]
)
acts = st.sampled_from(
    [
        "says",
        "rewords",
        "takes_back",
        "chooses",
        "succeeds",
        "fails",
        "approve",
        "deny",
        "answer",
        "runs_out",
        "wakes",
        "lost",
    ]
)


def possible(thread: Conversation, text: str) -> dict[str, Callable[[], None]]:
    """What can happen to the thread now, besides its model choosing."""
    request, call = thread.state.open_request, thread.state.current_call
    can: dict[str, Callable[[], None]] = {"says": lambda: thread.post_message(text, ref=f"m{thread.state.version}")}
    if said := [event.ref for event in thread.state.history if isinstance(event, MessageReceived) and event.ref]:
        can |= {
            "rewords": lambda: thread.edit_message(said[-1], text),
            "takes_back": lambda: thread.edit_message(said[-1], None),
        }
    if call is not None and call.phase == "approved":
        can |= {
            "succeeds": lambda: thread.succeed_tool(text),
            "fails": lambda: thread.fail_tool(text),
            "lost": thread.lose_tool_outcome,
        }
    if request is not None and request.kind == "approval":
        can |= {"approve": lambda: thread.answer_request("approve"), "deny": lambda: thread.answer_request("deny")}
    if request is not None and request.kind == "question":
        can["answer"] = lambda: thread.answer_request(
            "answer", by=ALICE, text=request.choices[0] if request.choices else text
        )
    if request is not None:
        can["runs_out"] = thread.expire_request
    if thread.state.timer_at is not None:
        can["wakes"] = thread.end_wait
    return can


async def play(thread: Conversation, story: list[tuple[str, str]]) -> None:
    """Do what can happen, in order; leave out what cannot."""
    for act, text in story:
        if act == "chooses" and any(isinstance(wanted, CallModel) for wanted in next_work(thread.state)):
            await thread.run_model()
        elif act in (can := possible(thread, text)):
            can[act]()


@given(st.lists(st.tuples(acts, words), max_size=60))
async def test_whatever_happens_the_commands_have_a_step(story: list[tuple[str, str]]) -> None:
    thread = Conversation(AGENT, CommandModel())
    await play(thread, story)

    thread.state = thread.state.model_copy(update={"needs_model": True})
    completion = await thread.run_model()

    assert completion.step is not None
    if isinstance(completion.step, DoneForNow):
        assert completion.step.message


@given(st.lists(st.tuples(acts, words), max_size=40))
async def test_left_alone_with_willing_people_a_thread_comes_to_rest(story: list[tuple[str, str]]) -> None:
    thread = Conversation(AGENT, CommandModel())
    await play(thread, [("says", "hello"), *story])

    for _ in range(20 * len(story) + 20):
        await play(thread, [(act, "4") for act in ("chooses", "wakes", "approve", "answer", "succeeds")])

    assert thread.state.status == "done"


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_every_command_we_ship_is_a_valid_step(agent: Agent) -> None:
    for command in agent.commands.commands:
        for pattern in command.say:
            match = agent.commands.match(re.sub(r"\{\w+:int\}", "7", re.sub(r"\{\w+\}", "production", pattern)))
            assert match is not None, pattern
            step_from_dict(match.step, agent)


def test_a_story_without_events_is_empty() -> None:
    story = command_history(ThreadState(), AGENT.commands)

    assert (story.runs, story.pending_commands, story.comments, story.last_event) == ((), (), (), None)
