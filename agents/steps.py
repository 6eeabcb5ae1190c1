"""The steps a model may choose: one closed union. Choosing a step never carries it out (factor 4)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agents.frozen import FrozenModel

AnswerFormat = Literal["free_text", "yes_no", "multiple_choice"]
Urgency = Literal["low", "medium", "high"]
MAX_CHOICE_LENGTH = 100


def _require_one_line(choice: str) -> str:
    if not choice.strip() or len(choice) > MAX_CHOICE_LENGTH or not choice.isprintable():
        raise ValueError(f"a choice is one line of at most {MAX_CHOICE_LENGTH} characters that print")
    return choice


Choice = Annotated[str, AfterValidator(_require_one_line)]
"""What a person is shown and gives back as it is, so it must fit a button and can forge no line of a card."""


class CallTool(FrozenModel):
    """Use a tool of the agent; the arguments have passed the tool's schema."""

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
    """Reply and rest; a new message re-opens the thread."""

    intent: Literal["done_for_now"] = "done_for_now"
    message: str


class NothingToDo(FrozenModel):
    """End the run without a word, for schedules and webhooks."""

    intent: Literal["nothing_to_do"] = "nothing_to_do"
    reason: str


class Await(FrozenModel):
    """Sleep durably, then go on."""

    intent: Literal["await"] = "await"
    seconds: Annotated[int, Field(ge=1, le=31_536_000)]
    reason: str


class AskAgent(FrozenModel):
    """Have another agent do something in this thread; what it is done with comes back like the result of a tool."""

    intent: Literal["ask_agent"] = "ask_agent"
    agent: str
    message: str


Step = Annotated[
    CallTool | RequestHumanInput | DoneForNow | NothingToDo | Await | AskAgent, Field(discriminator="intent")
]
