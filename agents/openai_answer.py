"""What OpenAI's two APIs answer, read from raw bytes: compatible servers leave things out, so nothing is assumed."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, ValidationError

from agents.budget import Usage
from agents.completion import Outcome
from agents.frozen import Frozen

_CHARACTERS_PER_TOKEN = 4


class Answer(Frozen):
    """An answer of either API. `trouble` is how it fell short, with `detail` in words; None when the text is whole.

    `thoughts` are what a reasoning model wrote beside the text. Without `has_ended` the server named no reason for the
    end, so only a whole object counts. `written` is text that the server refused as no valid JSON.
    """

    text: str = ""
    thoughts: str = ""
    written: str = ""
    has_ended: bool = True
    trouble: Outcome | None = None
    detail: str = ""
    usage: Usage | None = None

    def spent(self, asked: int) -> Usage:
        """What was counted, else an estimate from so many characters that were asked."""
        output = (len(self.text) + len(self.thoughts)) // _CHARACTERS_PER_TOKEN
        return self.usage or Usage(input=asked // _CHARACTERS_PER_TOKEN, output=output, estimated=True)


def text_of(content: Any) -> str:
    """Return the text of a message, which some servers send in parts with thoughts between them.

    Raises ValueError for anything else.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("the content of a message is a text or a list of parts")  # noqa: TRY004 - pydantic's contract
    return "".join(_text_of_part(part) for part in content)


def _text_of_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError("a part of a message is a text or an object")  # noqa: TRY004 - pydantic's contract
    text = part.get("text")
    return text if part.get("type", "text") in ("text", "output_text") and isinstance(text, str) else ""


class Spoken(BaseModel):
    """A message, or a piece of one. Servers name what a reasoning model thought in one of two ways."""

    content: Annotated[str, BeforeValidator(text_of)] = ""
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def thoughts(self) -> str:
        return next((told for told in (self.reasoning_content, self.reasoning) if isinstance(told, str)), "")


class _Choice(BaseModel):
    message: Spoken
    finish_reason: str | None = None


class _Chat(BaseModel):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


class _Part(BaseModel):
    type: str
    text: str = ""
    refusal: str = ""


class _Item(BaseModel):
    type: str
    content: list[_Part] | None = None


class _Incomplete(BaseModel):
    reason: str | None = None


class Response(BaseModel):
    """A response that came to some end."""

    status: str | None = None
    output: list[_Item] = []
    incomplete_details: _Incomplete | None = None
    error: Any = None
    usage: Any = None


CUT_OFF = "the answer was cut off at the length limit; answer with fewer words"
NOT_VALID_JSON = "the answer was no valid JSON for the schema; write one JSON object and nothing around it"
FILTERED = "the provider's content filter stopped the answer"

_CHAT_ENDINGS = {"length": (Outcome.TRUNCATED, CUT_OFF), "content_filter": (Outcome.FILTERED, FILTERED)}
_INCOMPLETE = {"max_output_tokens": (Outcome.TRUNCATED, CUT_OFF), "content_filter": (Outcome.FILTERED, FILTERED)}
_FAILURES = {
    "insufficient_quota": (Outcome.DENIED, "the quota is used up"),
    "rate_limit_exceeded": (Outcome.RATE_LIMITED, "the provider limits how often we may ask"),
    "bio_policy": (Outcome.FILTERED, FILTERED),
    "misalignment_policy_violation": (Outcome.FILTERED, FILTERED),
}


def chat_answer(body: bytes) -> Answer:
    """Read an answer of Chat Completions. Raises ValidationError when it is not one."""
    chat = _Chat.model_validate_json(body)
    usage = counted(chat.usage)
    if chat.error is not None:  # some gateways report an error with status 200
        return failed(chat.error, usage=usage)
    if not chat.choices:
        return Answer(usage=usage)
    message, reason = chat.choices[0].message, chat.choices[0].finish_reason
    told = Answer(text=message.content, thoughts=message.thoughts, usage=usage)
    return ended_chat(told, message.refusal or "", reason or "")


def ended_chat(told: Answer, refusal: str, reason: str) -> Answer:
    """What a chat amounts to that ended for this reason, empty when none was named."""
    if refusal:
        return Answer(trouble=Outcome.REFUSED, detail=refusal, usage=told.usage)
    trouble, detail = _CHAT_ENDINGS.get(reason, (None, ""))
    return told.model_copy(update={"trouble": trouble, "detail": detail})


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model] = []


def model_names(body: bytes) -> tuple[str, ...]:
    """Read a list of models; empty when it is none."""
    try:
        return tuple(model.id for model in _Models.model_validate_json(body).data)
    except ValidationError:
        return ()


def response_answer(body: bytes) -> Answer:
    """Read an answer of Responses. Raises ValidationError when it is not one."""
    return ended_response(Response.model_validate_json(body))


def ended_response(response: Response) -> Answer:
    """What a response amounts to, however it ended."""
    parts = [part for item in response.output if item.type == "message" for part in item.content or ()]
    usage = counted(response.usage)
    if refusal := next((part.refusal for part in parts if part.type == "refusal"), ""):
        return Answer(trouble=Outcome.REFUSED, detail=refusal, usage=usage)
    trouble, detail = _response_ending(response)
    text = "".join(part.text for part in parts if part.type == "output_text")
    return Answer(text=text, trouble=trouble, detail=detail, usage=usage)


def failed(error: Any, text: str = "", usage: Usage | None = None) -> Answer:
    """What an error means that is told in place of an answer or after its first words, whatever its shape."""
    if (refused := refused_generation(error)) is not None:
        return Answer(text=text, written=refused, trouble=Outcome.INVALID, detail=NOT_VALID_JSON, usage=usage)
    trouble, detail = _failure(error)
    return Answer(text=text, trouble=trouble, detail=detail, usage=usage)


def refused_generation(error: Any) -> str | None:
    """Return what the model wrote that the server refused as no valid JSON, None when the error is another one."""
    if not isinstance(error, Mapping) or error.get("code") != "json_validate_failed":
        return None
    written = error.get("failed_generation")
    return written if isinstance(written, str) else ""


def _response_ending(response: Response) -> tuple[Outcome | None, str]:
    if response.status == "completed":
        return None, ""
    if response.status == "incomplete" and response.incomplete_details is not None:
        reason = response.incomplete_details.reason or ""
        return _INCOMPLETE.get(reason, (Outcome.FAILED, "the answer is incomplete and nothing says why"))
    return _failure(response.error or f"the answer has the status {response.status}")


def _failure(error: Any) -> tuple[Outcome, str]:
    told = error if isinstance(error, Mapping) else {"message": error}
    words = told.get("message")
    unknown = words if isinstance(words, str) else "the provider reports an error without saying which"
    return _FAILURES.get(str(told.get("code")), (Outcome.FAILED, unknown))


class _Cached(BaseModel):
    cached_tokens: NonNegativeInt | None = None


class _ChatUsage(BaseModel):
    input: Annotated[NonNegativeInt, Field(alias="prompt_tokens")]
    output: Annotated[NonNegativeInt, Field(alias="completion_tokens")]
    details: Annotated[_Cached | None, Field(alias="prompt_tokens_details")] = None


class _ResponseUsage(BaseModel):
    input: Annotated[NonNegativeInt, Field(alias="input_tokens")]
    output: Annotated[NonNegativeInt, Field(alias="output_tokens")]
    details: Annotated[_Cached | None, Field(alias="input_tokens_details")] = None


def counted(told: Any) -> Usage | None:
    """What the server counted, None when it did not or makes no sense. Cached tokens are part of the input."""
    for model in (_ChatUsage, _ResponseUsage):
        try:
            found = model.model_validate(told)
        except ValidationError:
            continue
        cached = found.details.cached_tokens if found.details else None
        return Usage(input=found.input, cached=cached or 0, output=found.output)
    return None
