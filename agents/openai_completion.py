"""From an answer of either API to the end of a call: a step, or what was wrong with it."""

from agents.agent import Agent
from agents.answer_object import extract_object
from agents.budget import Usage
from agents.completion import Completion, CompletionOutcome
from agents.errors import InvalidInput
from agents.openai_errors import sanitize_message
from agents.openai_response import ModelResponse
from agents.openai_stream import INCOMPLETE_STREAM
from agents.output_parser import parse_step
from agents.steps import Step

_EMPTY_ANSWER = "the answer was empty; choose a step"


def to_completion(
    response: ModelResponse, agent: Agent, model: str, *, is_strict: bool, request_characters: int
) -> Completion:
    """Read the step. Only a server that is not `is_strict` may have written something around the object.

    `asked` is how many characters the prompt has, for an estimate where the server counts nothing.
    """
    usage = response.usage_or_estimate(request_characters)
    if response.failure is not None and not response.rejected_text:
        return failed_completion(model, response.failure, response.detail, usage)
    try:
        found = _parse_step(response, agent, is_strict=is_strict)
    except InvalidInput as error:
        return _invalid_completion(response, str(error), model, usage)
    if found is None:
        return failed_completion(model, CompletionOutcome.EMPTY, _EMPTY_ANSWER, usage)
    reasoning, step = found
    return Completion(outcome=CompletionOutcome.OK, model=model, step=step, reasoning=reasoning, usage=usage)


def failed_completion(model: str, outcome: CompletionOutcome, detail: str, usage: Usage | None = None) -> Completion:
    """Return the end of a call without a step."""
    return Completion(outcome=outcome, model=model, detail=detail, usage=usage)


def _parse_step(response: ModelResponse, agent: Agent, *, is_strict: bool) -> tuple[str, Step] | None:
    """Return the reasoning and the step, None when nothing was written. Raises Invalid.

    Some servers take the object for a thought and send no text beside it.
    """
    text = response.rejected_text or response.text
    text = text if is_strict else extract_object(text)
    if text.strip():
        return parse_step(text, agent)
    try:
        return parse_step(extract_object(response.reasoning), agent)
    except InvalidInput:
        return None


def _invalid_completion(response: ModelResponse, detail: str, model: str, usage: Usage) -> Completion:
    if response.failure is CompletionOutcome.INVALID:
        invalid = failed_completion(model, CompletionOutcome.INVALID, response.detail, usage)
        return invalid.model_copy(update={"rejected_text": sanitize_message(response.rejected_text, "")})
    if not response.has_ended:
        return failed_completion(model, CompletionOutcome.FAILED, INCOMPLETE_STREAM, usage)
    return failed_completion(model, CompletionOutcome.INVALID, detail, usage)
