"""From an answer of either API to the end of a call: a step, or what was wrong with it."""

from agents.agent import Agent
from agents.answer_object import extract_object
from agents.budget import Usage
from agents.completion import Completion, Outcome
from agents.errors import Invalid
from agents.openai_answer import Answer
from agents.openai_refusal import plain_words
from agents.openai_stream import BROKEN_OFF
from agents.steps import Step
from agents.wire import parse_step

_EMPTY = "the answer was empty; choose a step"


def read_answer(answer: Answer, agent: Agent, model: str, *, is_strict: bool, asked: int) -> Completion:
    """Read the step. Only a server that is not `is_strict` may have written something around the object.

    `asked` is how many characters the prompt has, for an estimate where the server counts nothing.
    """
    usage = answer.spent(asked)
    if answer.trouble is not None and not answer.written:
        return ended(model, answer.trouble, answer.detail, usage)
    try:
        found = _step(answer, agent, is_strict=is_strict)
    except Invalid as error:
        return _invalid(answer, str(error), model, usage)
    if found is None:
        return ended(model, Outcome.EMPTY, _EMPTY, usage)
    reasoning, step = found
    return Completion(outcome=Outcome.OK, model=model, step=step, reasoning=reasoning, usage=usage)


def ended(model: str, outcome: Outcome, detail: str, usage: Usage | None = None) -> Completion:
    """Return the end of a call without a step."""
    return Completion(outcome=outcome, model=model, detail=detail, usage=usage)


def _step(answer: Answer, agent: Agent, *, is_strict: bool) -> tuple[str, Step] | None:
    """Return the reasoning and the step, None when nothing was written. Raises Invalid.

    Some servers take the object for a thought and send no text beside it.
    """
    text = answer.written or answer.text
    text = text if is_strict else extract_object(text)
    if text.strip():
        return parse_step(text, agent)
    try:
        return parse_step(extract_object(answer.thoughts), agent)
    except Invalid:
        return None


def _invalid(answer: Answer, complaint: str, model: str, usage: Usage) -> Completion:
    if answer.trouble is Outcome.INVALID:
        invalid = ended(model, Outcome.INVALID, answer.detail, usage)
        return invalid.model_copy(update={"written": plain_words(answer.written, "")})
    if not answer.has_ended:
        return ended(model, Outcome.FAILED, BROKEN_OFF, usage)
    return ended(model, Outcome.INVALID, complaint, usage)
