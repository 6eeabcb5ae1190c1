"""The offline model answers from an agent's commands and the thread's events alone."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import Address
from agents.agent import Agent
from agents.command_model import CommandModel, menu
from agents.commands import Commands
from agents.completion import Outcome
from agents.effects import CallModel
from agents.errands import story_of
from agents.events import MessageReceived
from agents.next_step import work
from agents.policy import Ask, Policy, Rule
from agents.registry import AGENTS
from agents.state import ThreadState
from agents.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput
from agents.tools import ToolContext, ToolResult, tool
from agents.wire import read_step
from tests.agents.conversation import ALICE, PEOPLE, Conversation
from tests.fakes.scripted import ScriptedModel

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


@tool(effect="once", risk="high", ask=Ask(roles=("release",)))
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
def alone() -> Conversation:
    """A thread without any other model."""
    return Conversation(AGENT, CommandModel())


def helped_by(*steps: DoneForNow | CallTool | RequestHumanInput) -> tuple[Conversation, ScriptedModel]:
    """A thread with a model behind the commands."""
    fallback = ScriptedModel(*steps)
    return Conversation(AGENT, CommandModel(fallback)), fallback


# (a) what a person says


async def test_a_command_is_its_step_and_costs_nothing(alone: Conversation) -> None:
    alone.says("Please ship v1 to sea!")

    completion = await alone.chooses()

    assert (completion.outcome, completion.model, completion.usage) == (Outcome.OK, "commands", None)
    assert completion.step == SHIP


async def test_a_slot_that_is_a_number_reaches_the_tool_as_one(alone: Conversation) -> None:
    alone.says("list 2 ships")

    assert await alone.step() == LIST


async def test_every_kind_of_step_can_be_a_command(alone: Conversation) -> None:
    alone.says("wait")
    assert await alone.step() == Await(seconds=60, reason="tea")

    alone.says("hush")
    assert await alone.step() == NothingToDo(reason="quiet")

    alone.says("stop")
    assert await alone.step() == DoneForNow(message="All right.")


async def test_a_command_with_a_wrong_argument_is_told_so(alone: Conversation) -> None:
    broken = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    alone.agent = Agent(name="harbour", purpose="", instructions="", tools=(list_ships,), commands=broken)
    alone.says("list many")

    assert await alone.replies() == "I cannot do that: list_ships: limit: Input should be a valid integer"


async def test_what_was_looked_up_beforehand_is_not_taken_for_a_result(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    alone.prefetches("list_ships", "the Argo")

    assert await alone.step() == SHIP


async def test_what_was_looked_up_beforehand_is_not_told_either(alone: Conversation) -> None:
    alone.says("hello")
    alone.prefetches("list_ships", "the Argo")

    assert await alone.replies() == menu(AGENT)


# (b) answers to the commands' own questions


async def test_an_answer_completes_the_command_that_asked(alone: Conversation) -> None:
    alone.says("ship v1")
    assert isinstance(await alone.step(), RequestHumanInput)

    alone.answers("answer", text="sea")

    assert await alone.step() == SHIP


async def test_an_answer_given_as_a_message_completes_it_once(alone: Conversation) -> None:
    alone.says("ship v1")
    await alone.step()
    alone.says("Sea")
    assert await alone.step() == SHIP

    alone.answers("approve")
    alone.succeeds("done", {"hour": 9})

    assert await alone.replies() == "sea runs v1 since 9: done"


async def test_an_answer_that_is_a_command_itself_is_that_command(alone: Conversation) -> None:
    alone.says("tell me more")
    await alone.step()
    alone.says("list 2 ships")

    assert await alone.step() == LIST

    alone.succeeds("the Argo")
    assert await alone.replies() == "the Argo"


async def test_an_answer_nobody_understands_gets_the_list_of_commands(alone: Conversation) -> None:
    alone.says("tell me more")
    await alone.step()
    alone.says("the weather")

    assert await alone.replies() == menu(AGENT)


async def test_an_answer_the_commands_do_not_understand_goes_to_the_model() -> None:
    thread, fallback = helped_by(DoneForNow(message="It is sunny."))
    thread.says("tell me more")
    await thread.step()
    thread.says("the weather")

    assert await thread.replies() == "It is sunny."
    fallback.check()


async def words_told(thread: Conversation, said: str) -> list[str]:
    told: list[str] = []
    thread.says(said)
    await thread.model.complete(thread._turn(), told.append)
    return told


async def test_a_model_is_heard_while_it_writes() -> None:
    thread, _ = helped_by(DoneForNow(message="It is sunny."))

    assert await words_told(thread, "how is the weather?") == ["It", "It is", "It is sunny."]


async def test_commands_reply_at_once(alone: Conversation) -> None:
    assert await words_told(alone, "stop") == []


# (c) results


async def test_a_result_is_told_in_the_commands_words(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9, "crew": ["Jason"]})

    assert await alone.replies() == "sea runs v1 since 9: all aboard"


async def test_a_result_tells_what_was_really_done_not_what_was_said(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.edits(version="v2")
    alone.succeeds("all aboard", {"hour": 9})

    assert await alone.replies() == "sea runs v2 since 9: all aboard"


async def test_a_result_whose_command_is_forgotten_is_told_in_the_tools_words(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9})
    alone.forgets(keep=4)

    assert await alone.replies() == "all aboard"


async def test_a_remark_in_between_changes_nothing(alone: Conversation) -> None:
    alone.says("list 2 ships")
    await alone.chooses()
    alone.says("thanks")
    alone.succeeds("the Argo")

    assert await alone.replies() == "the Argo"


async def test_a_remark_in_between_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="The Argo, and yes, it floats."))
    thread.says("list 2 ships")
    await thread.chooses()
    thread.says("do they float?")
    thread.succeeds("the Argo")

    assert await thread.replies() == "The Argo, and yes, it floats."
    fallback.check()


async def test_commands_given_while_one_runs_are_all_done_and_all_told(alone: Conversation) -> None:
    alone.says("list 2 ships")
    await alone.chooses()
    alone.says("list 4 ships")
    alone.says("list 5 ships")
    alone.succeeds("two")

    assert await alone.step() == CallTool(tool="list_ships", arguments={"limit": 4})
    alone.succeeds("four")
    assert await alone.step() == CallTool(tool="list_ships", arguments={"limit": 5})
    alone.succeeds("five")

    assert await alone.replies() == "two\n\nfour\n\nfive"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda thread: thread.answers("deny"), "Not done: bob said no."),
        (
            Conversation.runs_out,
            "Nobody answered in time, so nothing was done: a timeout, not a refusal. Ask again if you want it.",
        ),
    ],
)
async def test_a_look_asked_for_while_people_decide_comes_after_their_decision_and_hides_nothing(
    alone: Conversation, end: Callable[[Conversation], None], told: str
) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.says("list 2 ships")
    end(alone)
    assert await alone.step() == LIST
    alone.succeeds("the Argo")

    assert await alone.replies() == f"{told}\n\nthe Argo"


async def test_a_stop_that_comes_too_late_does_not_hide_what_was_done(alone: Conversation) -> None:
    alone.says("list 2 ships")
    await alone.chooses()
    alone.says("stop")
    alone.succeeds("the Argo")

    assert await alone.replies() == "the Argo"


async def test_the_next_command_starts_afresh(alone: Conversation) -> None:
    alone.says("list 2 ships")
    await alone.chooses()
    alone.succeeds("the Argo")
    await alone.replies()
    alone.says("list 4 ships")
    await alone.chooses()
    alone.succeeds("four")

    assert await alone.replies() == "four"


# (d) failures


async def test_a_failure_is_told_plainly(alone: Conversation) -> None:
    alone.says("list 2 ships")
    await alone.chooses()
    alone.fails("the harbour is closed")

    assert await alone.replies() == "That did not work: the harbour is closed"


async def test_a_denial_by_policy_is_told_with_its_reason(alone: Conversation) -> None:
    alone.policy = Policy(rules=(Rule(name="no ships", tool="ship", deny="not on Fridays"),), people=PEOPLE)
    alone.says("ship v1 to sea")
    await alone.chooses()

    assert await alone.replies() == "I did not do that: not on Fridays"


async def test_a_call_that_makes_no_sense_is_told_and_not_tried_again(alone: Conversation) -> None:
    alone.says("ship v9 to sea")
    await alone.chooses_what_makes_no_sense("there is no v9")

    assert await alone.replies() == "I did not do that: there is no v9"


# (e) people say no


async def test_a_no_is_told_with_the_name_and_the_reason(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("deny", comment="there is a storm")

    assert await alone.replies() == "Not done: bob said no: there is a storm"


async def test_a_no_without_a_reason_is_told_too_and_needs_no_model() -> None:
    thread, fallback = helped_by()
    thread.says("ship v1 to sea")
    await thread.chooses()
    thread.answers("deny")

    assert await thread.replies() == "Not done: bob said no."
    assert fallback.turns == []


async def test_a_no_with_a_reason_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="I will try the moon."))
    thread.says("ship v1 to sea")
    await thread.chooses()
    thread.answers("deny", comment="rather the moon")

    assert await thread.replies() == "I will try the moon."
    fallback.check()


# (f) time, and changes of mind


async def test_silence_is_told_as_a_timeout(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.runs_out()

    assert (
        await alone.replies()
        == "Nobody answered in time, so nothing was done: a timeout, not a refusal. Ask again if you want it."
    )


async def test_a_question_nobody_answers_is_told_as_a_timeout(alone: Conversation) -> None:
    alone.says("ship v1")
    await alone.chooses()
    alone.runs_out()

    assert (await alone.replies()).startswith("Nobody answered in time")


async def test_an_approval_that_was_held_and_given_late_is_told_as_done(alone: Conversation) -> None:
    held = Rule(name="patience", tool="ship", ask=Ask(roles=("release",), on_expire="hold"))
    alone.policy = Policy(rules=(held,), people=PEOPLE)
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.runs_out()
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9})

    assert await alone.replies() == "sea runs v1 since 9: all aboard"


async def test_a_new_command_takes_the_place_of_the_one_that_waits(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.says("ship v2 to moon")
    await alone.chooses()
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9})

    assert await alone.replies() == "moon runs v2 since 9: all aboard"


async def test_a_command_that_only_talks_withdraws_what_waits(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.says("stop")

    assert await alone.replies() == "All right."


async def test_a_correction_that_is_no_command_withdraws_what_waits(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.says("no, do not do that")

    assert await alone.replies() == "I withdrew that; nothing was done."


async def test_a_correction_that_is_no_command_is_for_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(SHIP.model_copy(update={"arguments": {"version": "v2", "place": "sea"}}))
    thread.says("ship v1 to sea")
    await thread.chooses()
    thread.says("actually, v2 instead")

    assert (await thread.chooses()).model == "scripted"
    fallback.check()


async def test_a_wait_that_is_over_is_told(alone: Conversation) -> None:
    alone.says("wait")
    await alone.chooses()
    alone.wakes()

    assert await alone.replies() == "The wait is over: tea"


@pytest.mark.parametrize("looked", ["ran", "did not run"])
async def test_what_a_person_found_out_is_told(alone: Conversation, looked: str) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("approve")
    alone.is_lost()
    alone.answers("answer", text=looked)

    assert await alone.replies() == f"bob looked and says of ship: {looked}."


async def test_a_call_that_is_run_again_is_told_by_its_result(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("approve")
    alone.is_lost()
    alone.answers("answer", text="run again")
    alone.succeeds("all aboard", {"hour": 9})

    assert await alone.replies() == "sea runs v1 since 9: all aboard"


async def test_a_call_nobody_can_tell_about_is_never_told_as_not_done(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("approve")
    alone.is_lost()
    alone.runs_out()

    assert (await alone.replies()).startswith("I cannot tell whether ship ran")


# (g) anything else


async def test_what_no_command_says_gets_the_list_of_commands(alone: Conversation) -> None:
    alone.says("sing me a song")

    told = await alone.replies()

    assert told.startswith("I am harbour. You can tell me:\n- ship VERSION to PLACE: ships a version\n")
    assert "- list LIMIT ships: lists ships" in told


async def test_an_agent_without_commands_says_what_it_is_and_what_it_needs() -> None:
    mute = Agent(name="mute", purpose="Listens.", instructions="", tools=())
    thread = Conversation(mute, CommandModel())
    thread.says("hello")

    assert await thread.replies() == "I am mute. Listens. I need a language model to be of use: set OPENAI_API_KEY."


async def test_what_no_command_says_goes_to_the_model_as_it_is() -> None:
    thread, fallback = helped_by(DoneForNow(message="La la la."))
    thread.says("sing me a song")

    completion = await thread.chooses()

    assert (completion.model, completion.step) == ("scripted", DoneForNow(message="La la la."))
    assert "sing me a song" in fallback.turns[0].prompt.user


async def test_a_command_with_a_wrong_argument_goes_to_the_model_when_there_is_one() -> None:
    thread, fallback = helped_by(DoneForNow(message="How many is many?"))
    broken = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    thread.agent = Agent(name="harbour", purpose="", instructions="", tools=(list_ships,), commands=broken)
    thread.says("list many")

    assert await thread.replies() == "How many is many?"
    fallback.check()


async def test_what_the_model_began_it_also_ends() -> None:
    thread, fallback = helped_by(LIST, DoneForNow(message="Two ships."))
    thread.says("how many ships are there?")
    await thread.chooses()
    thread.says("list 4 ships")
    thread.succeeds("two")

    assert await thread.replies() == "Two ships."
    fallback.check()


async def test_a_command_is_obeyed_also_after_the_model_had_the_word() -> None:
    thread, fallback = helped_by(SHIP)
    thread.says("send the first one out to sea")
    await thread.chooses()
    thread.says("ship v1")

    completion = await thread.chooses()

    assert completion.model == "commands"
    assert isinstance(completion.step, RequestHumanInput)
    fallback.check()


async def test_a_question_of_the_model_is_answered_to_the_model() -> None:
    thread, fallback = helped_by(RequestHumanInput(question="How many?"), DoneForNow(message="I see."))
    thread.says("show me some")
    await thread.chooses()
    thread.says("list 2 ships")

    assert await thread.replies() == "I see."
    fallback.check()


async def test_a_model_that_failed_is_asked_again() -> None:
    thread, fallback = helped_by(DoneForNow(message="La la la."))
    thread.says("sing me a song")
    thread.is_rejected(Outcome.TIMEOUT, "scripted")

    assert await thread.replies() == "La la la."
    fallback.check()


async def test_help_that_is_a_command_is_obeyed(alone: Conversation) -> None:
    alone.says("sing me a song")
    alone.gets_stuck()
    alone.answers("answer", text="list 2 ships")

    assert await alone.step() == LIST


async def test_more_budget_changes_nothing_about_what_is_next(alone: Conversation) -> None:
    alone.says("list 2 ships")
    alone.is_given_more_budget()
    assert await alone.step() == LIST

    alone.succeeds("the Argo")
    alone.is_given_more_budget()
    assert await alone.replies() == "the Argo"


async def test_a_copy_of_a_thread_takes_nothing_over(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.is_forked()
    alone.says("hello")

    assert await alone.replies() == menu(AGENT)


async def test_an_answer_that_does_not_count_is_not_listened_to(alone: Conversation) -> None:
    alone.says("ship v1 to sea")
    await alone.chooses()
    alone.answers("deny", by=Address("person:mallory"), comment="ha")
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9})

    assert await alone.replies() == "sea runs v1 since 9: all aboard"


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
    request, call = thread.state.request, thread.state.call
    can: dict[str, Callable[[], None]] = {"says": lambda: thread.says(text, ref=f"m{thread.state.version}")}
    if said := [event.ref for event in thread.state.recent if isinstance(event, MessageReceived) and event.ref]:
        can |= {"rewords": lambda: thread.rewords(said[-1], text), "takes_back": lambda: thread.rewords(said[-1], None)}
    if call is not None and call.phase == "ready":
        can |= {"succeeds": lambda: thread.succeeds(text), "fails": lambda: thread.fails(text), "lost": thread.is_lost}
    if request is not None and request.kind == "approval":
        can |= {"approve": lambda: thread.answers("approve"), "deny": lambda: thread.answers("deny")}
    if request is not None and request.kind == "question":
        can["answer"] = lambda: thread.answers("answer", by=ALICE, text=request.choices[0] if request.choices else text)
    if request is not None:
        can["runs_out"] = thread.runs_out
    if thread.state.fires_at is not None:
        can["wakes"] = thread.wakes
    return can


async def play(thread: Conversation, story: list[tuple[str, str]]) -> None:
    """Do what can happen, in order; leave out what cannot."""
    for act, text in story:
        if act == "chooses" and any(isinstance(wanted, CallModel) for wanted in work(thread.state)):
            await thread.chooses()
        elif act in (can := possible(thread, text)):
            can[act]()


@given(st.lists(st.tuples(acts, words), max_size=60))
async def test_whatever_happens_the_commands_have_a_step(story: list[tuple[str, str]]) -> None:
    thread = Conversation(AGENT, CommandModel())
    await play(thread, story)

    thread.state = thread.state.model_copy(update={"models_turn": True})
    completion = await thread.chooses()

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
            read_step(match.step, agent)


def test_a_story_without_events_is_empty() -> None:
    story = story_of(ThreadState(), AGENT.commands)

    assert (story.errands, story.waiting, story.remarks, story.last) == ((), (), (), None)
