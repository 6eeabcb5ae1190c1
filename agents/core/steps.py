"""The steps that a model may choose, as a closed union. Choosing a step does not execute it.

The docstring of each step is its description in the schema that the model gets. An intent is the name of a step there.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agents.core.values import FrozenModel

ASK_AGENT_INTENT = "ask_agent"
"""The intent of the step that delegates to another agent."""


AnswerFormat = Literal["free_text", "yes_no", "multiple_choice"]
Urgency = Literal["low", "medium", "high"]
MAX_CHOICE_LENGTH = 100
"""Limit in characters for a choice of a question."""


def _require_one_line(choice: str) -> str:
    if not choice.strip() or len(choice) > MAX_CHOICE_LENGTH or not choice.isprintable():
        raise ValueError(f"a choice must be one line of at most {MAX_CHOICE_LENGTH} printable characters")
    return choice


Choice = Annotated[str, AfterValidator(_require_one_line)]
"""Text of a choice. It must fit on a button, and it has no line breaks, so that it cannot imitate a line of a card."""


class CallTool(FrozenModel):
    """Call a tool of the agent. The arguments have been validated against the tool's schema."""

    intent: Literal["call_tool"] = "call_tool"
    tool: str
    arguments: dict[str, Any]


class RequestHumanInput(FrozenModel):
    """Ask a person and wait for the answer."""

    intent: Literal["request_human_input"] = "request_human_input"
    question: str
    choices: tuple[Choice, ...] = ()
    format: AnswerFormat = "free_text"
    urgency: Urgency = "medium"


class DoneForNow(FrozenModel):
    """Reply and finish for now. A new message re-opens the thread."""

    intent: Literal["done_for_now"] = "done_for_now"
    message: str


class NothingToDo(FrozenModel):
    """Finish without a reply, for schedules and webhooks."""

    intent: Literal["nothing_to_do"] = "nothing_to_do"
    reason: str


class Await(FrozenModel):
    """Wait for a number of seconds, also across restarts, then continue."""

    intent: Literal["await"] = "await"
    seconds: Annotated[int, Field(ge=1, le=31_536_000)]  # at most one year
    reason: str


class AskAgent(FrozenModel):
    """Ask another agent to do something in this thread. Its final message is returned like the result of a tool."""

    intent: Literal["ask_agent"] = "ask_agent"
    agent: str
    message: str


Step = Annotated[
    CallTool | RequestHumanInput | DoneForNow | NothingToDo | Await | AskAgent, Field(discriminator="intent")
]
