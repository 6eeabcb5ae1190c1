"""What OpenAI's two APIs answer, read from raw bytes: compatible servers leave things out, so nothing is assumed."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, ValidationError

from agents.budget import Usage
from agents.completion import CompletionOutcome
from agents.frozen import FrozenModel

_CHARACTERS_PER_TOKEN = 4


class ModelResponse(FrozenModel):
    """An answer of either API. `trouble` is how it fell short, with `detail` in words; None when the text is whole.

    `thoughts` are what a reasoning model wrote beside the text. Without `has_ended` the server named no reason for the
    end, so only a whole object counts. `written` is text that the server refused as no valid JSON.
    """

    text: str = ""
    reasoning: str = ""
    rejected_text: str = ""
    has_ended: bool = True
    failure: CompletionOutcome | None = None
    detail: str = ""
    usage: Usage | None = None

    def usage_or_estimate(self, request_characters: int) -> Usage:
        """What was counted, else an estimate from so many characters that were asked."""
        output = (len(self.text) + len(self.reasoning)) // _CHARACTERS_PER_TOKEN
        return self.usage or Usage(input=request_characters // _CHARACTERS_PER_TOKEN, output=output, estimated=True)


def extract_text(content: Any) -> str:
    """Return the text of a message, which some servers send in parts with thoughts between them.

    Raises ValueError for anything else.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("the content of a message is a text or a list of parts")  # noqa: TRY004 - pydantic's contract
    return "".join(_extract_part_text(part) for part in content)


def _extract_part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError("a part of a message is a text or an object")  # noqa: TRY004 - pydantic's contract
    text = part.get("text")
    return text if part.get("type", "text") in ("text", "output_text") and isinstance(text, str) else ""


class ChatMessage(BaseModel):
    """A message, or a piece of one. Servers name what a reasoning model thought in one of two ways."""

    content: Annotated[str, BeforeValidator(extract_text)] = ""
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def reasoning_text(self) -> str:
        return next((told for told in (self.reasoning_content, self.reasoning) if isinstance(told, str)), "")


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
    """A response that came to some end."""

    status: str | None = None
    output: list[_OutputItem] = []
    incomplete_details: _IncompleteDetails | None = None
    error: Any = None
    usage: Any = None


TRUNCATED_ANSWER = "the answer was cut off at the length limit; answer with fewer words"
INVALID_JSON = "the answer was no valid JSON for the schema; write one JSON object and nothing around it"
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
    "rate_limit_exceeded": (CompletionOutcome.RATE_LIMITED, "the provider limits how often we may ask"),
    "bio_policy": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
    "misalignment_policy_violation": (CompletionOutcome.FILTERED, FILTERED_ANSWER),
}


def parse_chat(body: bytes) -> ModelResponse:
    """Read an answer of Chat Completions. Raises ValidationError when it is not one."""
    chat = _ChatBody.model_validate_json(body)
    usage = parse_usage(chat.usage)
    if chat.error is not None:  # some gateways report an error with status 200
        return error_result(chat.error, usage=usage)
    if not chat.choices:
        return ModelResponse(usage=usage)
    message, reason = chat.choices[0].message, chat.choices[0].finish_reason
    told = ModelResponse(text=message.content, reasoning=message.reasoning_text, usage=usage)
    return chat_result(told, message.refusal or "", reason or "")


def chat_result(response: ModelResponse, refusal: str, reason: str) -> ModelResponse:
    """What a chat amounts to that ended for this reason, empty when none was named."""
    if refusal:
        return ModelResponse(failure=CompletionOutcome.REFUSED, detail=refusal, usage=response.usage)
    trouble, detail = _CHAT_FINISH_FAILURES.get(reason, (None, ""))
    return response.model_copy(update={"failure": trouble, "detail": detail})


class _ModelEntry(BaseModel):
    id: str


class _ModelList(BaseModel):
    data: list[_ModelEntry] = []


def parse_model_names(body: bytes) -> tuple[str, ...]:
    """Read a list of models; empty when it is none."""
    try:
        return tuple(model.id for model in _ModelList.model_validate_json(body).data)
    except ValidationError:
        return ()


def parse_response(body: bytes) -> ModelResponse:
    """Read an answer of Responses. Raises ValidationError when it is not one."""
    return response_result(ResponseBody.model_validate_json(body))


def response_result(response: ResponseBody) -> ModelResponse:
    """What a response amounts to, however it ended."""
    parts = [part for item in response.output if item.type == "message" for part in item.content or ()]
    usage = parse_usage(response.usage)
    if refusal := next((part.refusal for part in parts if part.type == "refusal"), ""):
        return ModelResponse(failure=CompletionOutcome.REFUSED, detail=refusal, usage=usage)
    trouble, detail = _response_failure(response)
    text = "".join(part.text for part in parts if part.type == "output_text")
    return ModelResponse(text=text, failure=trouble, detail=detail, usage=usage)


def error_result(error: Any, text: str = "", usage: Usage | None = None) -> ModelResponse:
    """What an error means that is told in place of an answer or after its first words, whatever its shape."""
    if (refused := extract_rejected_generation(error)) is not None:
        return ModelResponse(
            text=text, rejected_text=refused, failure=CompletionOutcome.INVALID, detail=INVALID_JSON, usage=usage
        )
    trouble, detail = _failure_from_error(error)
    return ModelResponse(text=text, failure=trouble, detail=detail, usage=usage)


def extract_rejected_generation(error: Any) -> str | None:
    """Return what the model wrote that the server refused as no valid JSON, None when the error is another one."""
    if not isinstance(error, Mapping) or error.get("code") != "json_validate_failed":
        return None
    written = error.get("failed_generation")
    return written if isinstance(written, str) else ""


def _response_failure(response: ResponseBody) -> tuple[CompletionOutcome | None, str]:
    if response.status == "completed":
        return None, ""
    if response.status == "incomplete" and response.incomplete_details is not None:
        reason = response.incomplete_details.reason or ""
        return _INCOMPLETE_FAILURES.get(
            reason, (CompletionOutcome.FAILED, "the answer is incomplete and nothing says why")
        )
    return _failure_from_error(response.error or f"the answer has the status {response.status}")


def _failure_from_error(error: Any) -> tuple[CompletionOutcome, str]:
    told = error if isinstance(error, Mapping) else {"message": error}
    words = told.get("message")
    unknown = words if isinstance(words, str) else "the provider reports an error without saying which"
    return _ERROR_CODE_FAILURES.get(str(told.get("code")), (CompletionOutcome.FAILED, unknown))


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
    """What the server counted, None when it did not or makes no sense. Cached tokens are part of the input."""
    for model in (_ChatUsage, _ResponseUsage):
        try:
            found = model.model_validate(usage)
        except ValidationError:
            continue
        cached = found.details.cached_tokens if found.details else None
        return Usage(input=found.input, cached=cached or 0, output=found.output)
    return None
