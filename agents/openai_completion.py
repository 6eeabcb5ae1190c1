"""Conversion of a response of either API to a Completion: a step, or the reason why there is none."""

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
    """Return the completion with the response's step, or with the failure.

    `is_strict` says that the server enforces the schema; otherwise text around the object is ignored.
    `request_characters` is the length of the prompt, to estimate the usage when the server reports none.
    """
    usage = response.usage_or_estimate(request_characters)
    if response.failure is not None and not response.rejected_text:
        return failed_completion(model, response.failure, response.detail, usage)
    try:
        parsed = _parse_step(response, agent, is_strict=is_strict)
    except InvalidInput as error:
        return _invalid_completion(response, str(error), model, usage)
    if parsed is None:
        return failed_completion(model, CompletionOutcome.EMPTY, _EMPTY_ANSWER, usage)
    reasoning, step = parsed
    return Completion(outcome=CompletionOutcome.OK, model=model, step=step, reasoning=reasoning, usage=usage)


def failed_completion(model: str, outcome: CompletionOutcome, detail: str, usage: Usage | None = None) -> Completion:
    """Return a completion without a step."""
    return Completion(outcome=outcome, model=model, detail=detail, usage=usage)


def _parse_step(response: ModelResponse, agent: Agent, *, is_strict: bool) -> tuple[str, Step] | None:
    """Return the reasoning and the step; None for an empty answer. Raises InvalidInput.

    Some servers send the object as reasoning and leave the text empty.
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
