"""Tests of the command model, which chooses steps from an agent's commands and the thread's events."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.agent import Agent
from agents.core.commands import Commands
from agents.core.completion import CompletionOutcome
from agents.core.events import MessageReceived
from agents.core.next_step import CallModel, next_work
from agents.core.policy import ApprovalTerms, Policy, Rule
from agents.core.state import ThreadState
from agents.core.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import Address
from agents.llm.offline.history import command_history
from agents.llm.offline.model import CommandModel, help_text
from agents.llm.output_parser import step_from_dict
from agents.registry import load_registry
from tests.agents.conversation import Conversation
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.people import ALICE, PEOPLE

AGENTS = load_registry().agents

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
SHIP_CALL = CallTool(tool="ship", arguments={"version": "v1", "place": "sea"})
LIST_CALL = CallTool(tool="list_ships", arguments={"limit": 2})


@pytest.fixture
def offline_thread() -> Conversation:
    """Return a thread without a fallback model."""
    return Conversation(AGENT, CommandModel())


def thread_with_fallback(*steps: DoneForNow | CallTool | RequestHumanInput) -> tuple[Conversation, ScriptedModel]:
    """Return a thread with a fallback model behind the commands."""
    fallback = ScriptedModel(*steps)
    return Conversation(AGENT, CommandModel(fallback)), fallback


# Messages of a person


async def test_command_gives_its_step_without_tokens(offline_thread: Conversation) -> None:
    offline_thread.post_message("Please ship v1 to sea!")

    completion = await offline_thread.run_model()

    assert (completion.outcome, completion.model, completion.usage) == (CompletionOutcome.OK, "commands", None)
    assert completion.step == SHIP_CALL


async def test_number_slot_reaches_the_tool_as_a_number(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")

    assert await offline_thread.next_step() == LIST_CALL


async def test_every_kind_of_step_can_be_a_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("wait")
    assert await offline_thread.next_step() == Await(seconds=60, reason="tea")

    offline_thread.post_message("hush")
    assert await offline_thread.next_step() == NothingToDo(reason="quiet")

    offline_thread.post_message("stop")
    assert await offline_thread.next_step() == DoneForNow(message="All right.")


async def test_command_with_an_invalid_argument_gets_the_reason(offline_thread: Conversation) -> None:
    invalid_commands = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    offline_thread.agent = Agent(
        name="harbour", purpose="", instructions="", tools=(list_ships,), commands=invalid_commands
    )
    offline_thread.post_message("list many")

    assert (
        await offline_thread.run_model_to_reply()
        == "I cannot do that: list_ships: limit: Input should be a valid integer"
    )


async def test_prefetched_result_is_not_a_command_result(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    offline_thread.prefetch("list_ships", "the Argo")

    assert await offline_thread.next_step() == SHIP_CALL


async def test_prefetched_result_is_not_in_the_reply(offline_thread: Conversation) -> None:
    offline_thread.post_message("hello")
    offline_thread.prefetch("list_ships", "the Argo")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


# Answers to the commands' questions


async def test_answer_completes_the_command_that_asked(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    assert isinstance(await offline_thread.next_step(), RequestHumanInput)

    offline_thread.answer_request("answer", text="sea")

    assert await offline_thread.next_step() == SHIP_CALL


async def test_answer_given_as_a_message_completes_it_once(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    await offline_thread.next_step()
    offline_thread.post_message("Sea")
    assert await offline_thread.next_step() == SHIP_CALL

    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("done", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: done"


async def test_answer_that_is_a_command_runs_that_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("tell me more")
    await offline_thread.next_step()
    offline_thread.post_message("list 2 ships")

    assert await offline_thread.next_step() == LIST_CALL

    offline_thread.succeed_tool("the Argo")
    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_unknown_answer_gets_the_list_of_commands(offline_thread: Conversation) -> None:
    offline_thread.post_message("tell me more")
    await offline_thread.next_step()
    offline_thread.post_message("the weather")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


async def test_unknown_answer_goes_to_the_fallback_model() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="It is sunny."))
    thread.post_message("tell me more")
    await thread.next_step()
    thread.post_message("the weather")

    assert await thread.run_model_to_reply() == "It is sunny."
    fallback.assert_called_as_scripted()


async def partial_replies(thread: Conversation, text: str) -> list[str]:
    partials: list[str] = []
    thread.post_message(text)
    await thread.model.complete(thread._model_request(), partials.append)
    return partials


async def test_fallback_model_streams_its_reply() -> None:
    thread, _ = thread_with_fallback(DoneForNow(message="It is sunny."))

    assert await partial_replies(thread, "how is the weather?") == ["It", "It is", "It is sunny."]


async def test_commands_do_not_stream_their_reply(offline_thread: Conversation) -> None:
    assert await partial_replies(offline_thread, "stop") == []


# Results


async def test_result_uses_the_commands_reply_text(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9, "crew": ["Jason"]})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_result_shows_the_final_arguments(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.edit_arguments(version="v2")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v2 since 9: all aboard"


async def test_result_of_a_dropped_command_uses_the_tools_summary(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})
    offline_thread.drop_history(keep=4)

    assert await offline_thread.run_model_to_reply() == "all aboard"


async def test_comment_while_a_command_runs_changes_nothing(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.post_message("thanks")
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_comment_while_a_command_runs_goes_to_the_fallback() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="The Argo, and yes, it floats."))
    thread.post_message("list 2 ships")
    await thread.run_model()
    thread.post_message("do they float?")
    thread.succeed_tool("the Argo")

    assert await thread.run_model_to_reply() == "The Argo, and yes, it floats."
    fallback.assert_called_as_scripted()


async def test_commands_sent_while_one_runs_all_run_and_reply(offline_thread: Conversation) -> None:
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
    ("end_request", "reply"),
    [
        (lambda thread: thread.answer_request("deny"), "Not done: bob denied it."),
        (
            Conversation.expire_request,
            "The request expired without an answer, so nothing was done. Ask again if you still want it.",
        ),
    ],
)
async def test_command_during_an_approval_runs_after_the_decision(
    offline_thread: Conversation, end_request: Callable[[Conversation], None], reply: str
) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("list 2 ships")
    end_request(offline_thread)
    assert await offline_thread.next_step() == LIST_CALL
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == f"{reply}\n\nthe Argo"


async def test_late_stop_does_not_hide_the_result(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.post_message("stop")
    offline_thread.succeed_tool("the Argo")

    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_next_command_does_not_repeat_old_results(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.succeed_tool("the Argo")
    await offline_thread.run_model_to_reply()
    offline_thread.post_message("list 4 ships")
    await offline_thread.run_model()
    offline_thread.succeed_tool("four")

    assert await offline_thread.run_model_to_reply() == "four"


# Failures


async def test_failure_is_in_the_reply(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    await offline_thread.run_model()
    offline_thread.fail_tool("the harbour is closed")

    assert await offline_thread.run_model_to_reply() == "That did not work: the harbour is closed"


async def test_policy_denial_is_reported_with_its_reason(offline_thread: Conversation) -> None:
    offline_thread.policy = Policy(rules=(Rule(name="no ships", tool="ship", deny="not on Fridays"),), people=PEOPLE)
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()

    assert await offline_thread.run_model_to_reply() == "I did not do that: not on Fridays"


async def test_rejected_call_is_reported_and_not_retried(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v9 to sea")
    await offline_thread.run_model_with_rejected_call("there is no v9")

    assert await offline_thread.run_model_to_reply() == "I did not do that: there is no v9"


# Denials


async def test_denial_is_reported_with_name_and_reason(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("deny", comment="there is a storm")

    assert await offline_thread.run_model_to_reply() == "Not done: bob denied it: there is a storm"


async def test_denial_without_a_reason_needs_no_model() -> None:
    thread, fallback = thread_with_fallback()
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.answer_request("deny")

    assert await thread.run_model_to_reply() == "Not done: bob denied it."
    assert fallback.received == []


async def test_denial_with_a_reason_goes_to_the_fallback() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="I will try the moon."))
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.answer_request("deny", comment="rather the moon")

    assert await thread.run_model_to_reply() == "I will try the moon."
    fallback.assert_called_as_scripted()


# Timeouts and corrections


async def test_expired_approval_is_reported_as_expired(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.expire_request()

    assert (
        await offline_thread.run_model_to_reply()
        == "The request expired without an answer, so nothing was done. Ask again if you still want it."
    )


async def test_expired_question_is_reported_as_expired(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1")
    await offline_thread.run_model()
    offline_thread.expire_request()

    assert (await offline_thread.run_model_to_reply()).startswith("The request expired without an answer")


async def test_late_approval_of_a_request_kept_open_runs_the_call(offline_thread: Conversation) -> None:
    rule = Rule(name="kept_open", tool="ship", ask=ApprovalTerms(roles=("release",), on_expire="hold"))
    offline_thread.policy = Policy(rules=(rule,), people=PEOPLE)
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.expire_request()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_new_command_supersedes_the_waiting_one(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("ship v2 to moon")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "moon runs v2 since 9: all aboard"


async def test_stop_command_withdraws_the_open_request(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("stop")

    assert await offline_thread.run_model_to_reply() == "All right."


async def test_unknown_correction_withdraws_the_open_request(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.post_message("no, do not do that")

    assert await offline_thread.run_model_to_reply() == "I withdrew the request; nothing was done."


async def test_unknown_correction_goes_to_the_fallback() -> None:
    thread, fallback = thread_with_fallback(
        SHIP_CALL.model_copy(update={"arguments": {"version": "v2", "place": "sea"}})
    )
    thread.post_message("ship v1 to sea")
    await thread.run_model()
    thread.post_message("actually, v2 instead")

    assert (await thread.run_model()).model == "scripted"
    fallback.assert_called_as_scripted()


async def test_end_of_a_wait_is_reported(offline_thread: Conversation) -> None:
    offline_thread.post_message("wait")
    await offline_thread.run_model()
    offline_thread.end_wait()

    assert await offline_thread.run_model_to_reply() == "The wait is over: tea"


@pytest.mark.parametrize("outcome", ["ran", "did not run"])
async def test_persons_outcome_answer_is_reported(offline_thread: Conversation, outcome: str) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.answer_request("answer", text=outcome)

    assert await offline_thread.run_model_to_reply() == f"bob checked ship: {outcome}."


async def test_rerun_call_is_reported_by_its_result(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.answer_request("answer", text="run again")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


async def test_unknown_outcome_is_never_reported_as_not_done(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("approve")
    offline_thread.lose_tool_outcome()
    offline_thread.expire_request()

    assert (await offline_thread.run_model_to_reply()).startswith("I cannot tell whether ship ran")


# Other texts


async def test_unknown_text_gets_the_list_of_commands(offline_thread: Conversation) -> None:
    offline_thread.post_message("sing me a song")

    reply = await offline_thread.run_model_to_reply()

    assert reply.startswith("I am harbour. You can tell me:\n- ship VERSION to PLACE: ships a version\n")
    assert "- list LIMIT ships: lists ships" in reply


async def test_agent_without_commands_asks_for_a_model() -> None:
    without_commands = Agent(name="mute", purpose="Listens.", instructions="", tools=())
    thread = Conversation(without_commands, CommandModel())
    thread.post_message("hello")

    assert (
        await thread.run_model_to_reply() == "I am mute. Listens. I need a language model to work: set OPENAI_API_KEY."
    )


async def test_unknown_text_goes_to_the_fallback_unchanged() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="La la la."))
    thread.post_message("sing me a song")

    completion = await thread.run_model()

    assert (completion.model, completion.step) == ("scripted", DoneForNow(message="La la la."))
    assert "sing me a song" in fallback.received[0].prompt.user


async def test_command_with_an_invalid_argument_goes_to_the_fallback() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="How many is many?"))
    invalid_commands = Commands.parse(
        '[[commands]]\nsay = ["list {n}"]\ndoes = "x"\nstep = {intent = "list_ships", limit = "{n}"}'
    )
    thread.agent = Agent(name="harbour", purpose="", instructions="", tools=(list_ships,), commands=invalid_commands)
    thread.post_message("list many")

    assert await thread.run_model_to_reply() == "How many is many?"
    fallback.assert_called_as_scripted()


async def test_fallback_finishes_the_work_it_began() -> None:
    thread, fallback = thread_with_fallback(LIST_CALL, DoneForNow(message="Two ships."))
    thread.post_message("how many ships are there?")
    await thread.run_model()
    thread.post_message("list 4 ships")
    thread.succeed_tool("two")

    assert await thread.run_model_to_reply() == "Two ships."
    fallback.assert_called_as_scripted()


async def test_command_supersedes_a_call_of_the_fallback() -> None:
    thread, fallback = thread_with_fallback(SHIP_CALL)
    thread.post_message("send the first one out to sea")
    await thread.run_model()
    thread.post_message("ship v1")

    completion = await thread.run_model()

    assert completion.model == "commands"
    assert isinstance(completion.step, RequestHumanInput)
    fallback.assert_called_as_scripted()


async def test_answer_to_the_fallbacks_question_goes_to_the_fallback() -> None:
    thread, fallback = thread_with_fallback(RequestHumanInput(question="How many?"), DoneForNow(message="I see."))
    thread.post_message("show me some")
    await thread.run_model()
    thread.post_message("list 2 ships")

    assert await thread.run_model_to_reply() == "I see."
    fallback.assert_called_as_scripted()


async def test_failed_fallback_is_called_again() -> None:
    thread, fallback = thread_with_fallback(DoneForNow(message="La la la."))
    thread.post_message("sing me a song")
    thread.reject_step(CompletionOutcome.TIMEOUT, "scripted")

    assert await thread.run_model_to_reply() == "La la la."
    fallback.assert_called_as_scripted()


async def test_answer_to_a_help_request_runs_as_a_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("sing me a song")
    offline_thread.ask_for_help()
    offline_thread.answer_request("answer", text="list 2 ships")

    assert await offline_thread.next_step() == LIST_CALL


async def test_budget_extension_does_not_change_the_next_step(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships")
    offline_thread.extend_budget()
    assert await offline_thread.next_step() == LIST_CALL

    offline_thread.succeed_tool("the Argo")
    offline_thread.extend_budget()
    assert await offline_thread.run_model_to_reply() == "the Argo"


async def test_forked_thread_has_no_pending_commands(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.fork()
    offline_thread.post_message("hello")

    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


async def test_uncounted_answer_is_ignored(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea")
    await offline_thread.run_model()
    offline_thread.answer_request("deny", by=Address("person:mallory"), comment="ha")
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})

    assert await offline_thread.run_model_to_reply() == "sea runs v1 since 9: all aboard"


texts = st.sampled_from(
    ["ship v1 to sea", "ship v1", "sea", "list 2 ships", "wait", "stop", "hush", "no", "hello", "tell me more", "4"]
)
action_names = st.sampled_from(
    [
        "send",
        "edit",
        "delete",
        "run_model",
        "succeed",
        "fail",
        "approve",
        "deny",
        "answer",
        "expire",
        "end_wait",
        "lose",
    ]
)


def possible_actions(thread: Conversation, text: str) -> dict[str, Callable[[], None]]:
    """Return the actions that are possible in the thread now, besides a step of the model."""
    request, call = thread.state.open_request, thread.state.current_call
    possible: dict[str, Callable[[], None]] = {
        "send": lambda: thread.post_message(text, ref=f"m{thread.state.version}")
    }
    if refs := [event.ref for event in thread.state.history if isinstance(event, MessageReceived) and event.ref]:
        possible |= {
            "edit": lambda: thread.edit_message(refs[-1], text),
            "delete": lambda: thread.edit_message(refs[-1], text=None),
        }
    if call is not None and call.phase == "approved":
        possible |= {
            "succeed": lambda: thread.succeed_tool(text),
            "fail": lambda: thread.fail_tool(text),
            "lose": thread.lose_tool_outcome,
        }
    if request is not None and request.kind == "approval":
        possible |= {
            "approve": lambda: thread.answer_request("approve"),
            "deny": lambda: thread.answer_request("deny"),
        }
    if request is not None and request.kind == "question":
        possible["answer"] = lambda: thread.answer_request(
            "answer", by=ALICE, text=request.choices[0] if request.choices else text
        )
    if request is not None:
        possible["expire"] = thread.expire_request
    if thread.state.timer_at is not None:
        possible["end_wait"] = thread.end_wait
    return possible


async def perform_actions(thread: Conversation, actions: list[tuple[str, str]]) -> None:
    """Do the possible actions in order, and skip the others."""
    for action, text in actions:
        if action == "run_model" and any(isinstance(work, CallModel) for work in next_work(thread.state)):
            await thread.run_model()
        elif action in (possible := possible_actions(thread, text)):
            possible[action]()


@given(st.lists(st.tuples(action_names, texts), max_size=60))
async def test_commands_have_a_step_in_any_history(actions: list[tuple[str, str]]) -> None:
    thread = Conversation(AGENT, CommandModel())
    await perform_actions(thread, actions)

    thread.state = thread.state.model_copy(update={"needs_model": True})
    completion = await thread.run_model()

    assert completion.step is not None
    if isinstance(completion.step, DoneForNow):
        assert completion.step.message


@given(st.lists(st.tuples(action_names, texts), max_size=40))
async def test_thread_comes_to_rest_when_requests_are_approved(actions: list[tuple[str, str]]) -> None:
    thread = Conversation(AGENT, CommandModel())
    await perform_actions(thread, [("send", "hello"), *actions])

    for _ in range(20 * len(actions) + 20):
        await perform_actions(
            thread, [(action, "4") for action in ("run_model", "end_wait", "approve", "answer", "succeed")]
        )

    assert thread.state.status == "done"


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_every_shipped_command_is_a_valid_step(agent: Agent) -> None:
    for command in agent.commands.commands:
        for pattern in command.say:
            match = agent.commands.match(re.sub(r"\{\w+:int\}", "7", re.sub(r"\{\w+\}", "production", pattern)))
            assert match is not None, pattern
            step_from_dict(match.step, agent)


def test_history_without_events_is_empty() -> None:
    history = command_history(ThreadState(), AGENT.commands)

    assert (history.runs, history.pending_commands, history.comments, history.last_event) == ((), (), (), None)
