"""Parser of responses of OpenAI's two APIs, Chat Completions and Responses.

Compatible servers leave fields out, so few fields are required.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, ValidationError

from agents.core.completion import CompletionOutcome, Usage
from agents.core.values import FrozenModel

_CHARACTERS_PER_TOKEN = 4
"""Rough average, for estimates."""


class ModelResponse(FrozenModel):
    """A response of either API. `failure` is None when the text is complete; `detail` describes the failure.

    `reasoning` is the text that a reasoning model sends apart from its answer. `has_ended` is false when the server
    gave no finish reason; then the text is valid only with a complete object. `rejected_text` is text of the model that
    the server rejected as invalid JSON.
    """

    text: str = ""
    reasoning: str = ""
    rejected_text: str = ""
    has_ended: bool = True
    failure: CompletionOutcome | None = None
    detail: str = ""
    usage: Usage | None = None

    def usage_or_estimate(self, request_characters: int) -> Usage:
        """Return the reported usage, else an estimate; the prompt had `request_characters` characters."""
        output = (len(self.text) + len(self.reasoning)) // _CHARACTERS_PER_TOKEN
        return self.usage or Usage(input=request_characters // _CHARACTERS_PER_TOKEN, output=output, estimated=True)


def extract_text(content: Any) -> str:
    """Return the text of a message, a text or a list of parts; some servers put reasoning parts between.

    Raises ValueError for any other type.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("the content of a message is a text or a list of parts")  # noqa: TRY004 - pydantic needs it
    return "".join(_extract_part_text(part) for part in content)


def _extract_part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError("a part of a message is a text or an object")  # noqa: TRY004 - pydantic needs it
    text = part.get("text")
    return text if part.get("type", "text") in ("text", "output_text") and isinstance(text, str) else ""


class ChatMessage(BaseModel):
    """A message, or a delta of one. Servers use one of two field names for the reasoning."""

    content: Annotated[str, BeforeValidator(extract_text)] = ""
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def reasoning_text(self) -> str:
        return next((text for text in (self.reasoning_content, self.reasoning) if isinstance(text, str)), "")


class _Choice(BaseModel):
    message: ChatMessage
    finish_reason: str | None = None


class _ChatBody(BaseModel):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


class _ContentPart(BaseModel):
    type: str
    text: str = ""
    refusal: str = ""


class _OutputItem(BaseModel):
    type: str
    content: list[_ContentPart] | None = None


class _IncompleteDetails(BaseModel):
    reason: str | None = None


class ResponseBody(BaseModel):
    """Body of a Responses response."""

    status: str | None = None
    output: list[_OutputItem] = []
    incomplete_details: _IncompleteDetails | None = None
    error: Any = None
    usage: Any = None


TRUNCATED_ANSWER = "the answer was cut off at the length limit; answer with fewer words"
INVALID_JSON = "the answer was not valid JSON for the schema; write one JSON object and nothing around it"
FILTERED_ANSWER = "the provider's content filter stopped the answer"

_CHAT_FINISH_FAILURES = {
    "length": (CompletionOutcome.TRUNCATED, TRUNCATED_ANSWER),
    "content_filter": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
}
_INCOMPLETE_FAILURES = {
    "max_output_tokens": (CompletionOutcome.TRUNCATED, TRUNCATED_ANSWER),
    "content_filter": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
}
_ERROR_CODE_FAILURES = {
    "insufficient_quota": (CompletionOutcome.AUTH_FAILED, "the quota is used up"),
    "rate_limit_exceeded": (CompletionOutcome.RATE_LIMITED, "the provider limits the rate of requests"),
    "bio_policy": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
    "misalignment_policy_violation": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
}


def parse_chat(body: bytes) -> ModelResponse:
    """Parse a Chat Completions response. Raises ValidationError."""
    chat = _ChatBody.model_validate_json(body)
    usage = parse_usage(chat.usage)
    if chat.error is not None:  # some gateways report an error with status 200
        return error_result(chat.error, usage=usage)
    if not chat.choices:
        return ModelResponse(usage=usage)
    message, reason = chat.choices[0].message, chat.choices[0].finish_reason
    response = ModelResponse(text=message.content, reasoning=message.reasoning_text, usage=usage)
    return chat_result(response, message.refusal or "", reason or "")


def chat_result(response: ModelResponse, refusal: str, reason: str) -> ModelResponse:
    """Return the response with the failure for its refusal or finish reason (each may be empty)."""
    if refusal:
        return ModelResponse(failure=CompletionOutcome.REFUSED, detail=refusal, usage=response.usage)
    failure, detail = _CHAT_FINISH_FAILURES.get(reason, (None, ""))
    return response.model_copy(update={"failure": failure, "detail": detail})


class _ModelEntry(BaseModel):
    id: str


class _ModelList(BaseModel):
    data: list[_ModelEntry] = []


def parse_model_names(body: bytes) -> tuple[str, ...]:
    """Return the names in a list of models; empty when the body is not such a list."""
    try:
        return tuple(model.id for model in _ModelList.model_validate_json(body).data)
    except ValidationError:
        return ()


def parse_response(body: bytes) -> ModelResponse:
    """Parse a Responses response. Raises ValidationError."""
    return response_result(ResponseBody.model_validate_json(body))


def response_result(response: ResponseBody) -> ModelResponse:
    """Return the result of a response body with any status."""
    parts = [part for item in response.output if item.type == "message" for part in item.content or ()]
    usage = parse_usage(response.usage)
    if refusal := next((part.refusal for part in parts if part.type == "refusal"), ""):
        return ModelResponse(failure=CompletionOutcome.REFUSED, detail=refusal, usage=usage)
    failure, detail = _response_failure(response)
    text = "".join(part.text for part in parts if part.type == "output_text")
    return ModelResponse(text=text, failure=failure, detail=detail, usage=usage)


def error_result(error: Any, text: str = "", usage: Usage | None = None) -> ModelResponse:
    """Return the response for an error of any shape, sent instead of an answer or after a part of it (`text`)."""
    if (rejected := extract_rejected_generation(error)) is not None:
        return ModelResponse(
            text=text, rejected_text=rejected, failure=CompletionOutcome.INVALID, detail=INVALID_JSON, usage=usage
        )
    failure, detail = _failure_from_error(error)
    return ModelResponse(text=text, failure=failure, detail=detail, usage=usage)


def extract_rejected_generation(error: Any) -> str | None:
    """Return the model's text that the server rejected as invalid JSON; None when the error is a different one."""
    if not isinstance(error, Mapping) or error.get("code") != "json_validate_failed":
        return None
    generation = error.get("failed_generation")
    return generation if isinstance(generation, str) else ""


def _response_failure(response: ResponseBody) -> tuple[CompletionOutcome | None, str]:
    if response.status == "completed":
        return None, ""
    if response.status == "incomplete" and response.incomplete_details is not None:
        reason = response.incomplete_details.reason or ""
        return _INCOMPLETE_FAILURES.get(
            reason, (CompletionOutcome.FAILED, "the answer is incomplete for an unknown reason")
        )
    return _failure_from_error(response.error or f"the answer has the status {response.status}")


def _failure_from_error(error: Any) -> tuple[CompletionOutcome, str]:
    fields = error if isinstance(error, Mapping) else {"message": error}
    message = fields.get("message")
    detail = message if isinstance(message, str) else "the provider reported an error without a message"
    return _ERROR_CODE_FAILURES.get(str(fields.get("code")), (CompletionOutcome.FAILED, detail))


class _CachedTokens(BaseModel):
    cached_tokens: NonNegativeInt | None = None


class _ChatUsage(BaseModel):
    input: Annotated[NonNegativeInt, Field(alias="prompt_tokens")]
    output: Annotated[NonNegativeInt, Field(alias="completion_tokens")]
    details: Annotated[_CachedTokens | None, Field(alias="prompt_tokens_details")] = None


class _ResponseUsage(BaseModel):
    input: Annotated[NonNegativeInt, Field(alias="input_tokens")]
    output: Annotated[NonNegativeInt, Field(alias="output_tokens")]
    details: Annotated[_CachedTokens | None, Field(alias="input_tokens_details")] = None


def parse_usage(usage: Any) -> Usage | None:
    """Return the reported token usage; None when it is missing or invalid. `input` includes cached tokens."""
    for model in (_ChatUsage, _ResponseUsage):
        try:
            counts = model.model_validate(usage)
        except ValidationError:
            continue
        cached = counts.details.cached_tokens if counts.details else None
        return Usage(input=counts.input, cached=cached or 0, output=counts.output)
    return None
