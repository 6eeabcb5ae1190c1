"""Accumulators that build a response from the streamed events of OpenAI's two APIs.

An answer is complete only when the server reports its end, not when the stream stops. Some servers end a chat with
`[DONE]` and without a finish reason; then the answer is valid if it contains a complete JSON object.
"""

from typing import Any, Protocol

from pydantic import BaseModel

from agents.core.completion import CompletionOutcome, Usage
from agents.llm.openai.responses import (
    TRUNCATED_ANSWER,
    ChatMessage,
    ModelResponse,
    ResponseBody,
    chat_result,
    error_result,
    parse_usage,
    response_result,
)

INCOMPLETE_STREAM = "the stream stopped before the end of the answer"
OVERLONG_RESPONSE = ModelResponse(failure=CompletionOutcome.TRUNCATED, detail=TRUNCATED_ANSWER)
"""Result when the client closes a stream that exceeds MAX_ANSWER_CHARACTERS."""


class StreamAccumulator(Protocol):
    """Builder of a response from streamed events."""

    def feed(self, event: object) -> str:
        """Add an event and return its part of the answer's text, without reasoning and refusals.

        Raises ValueError for an invalid event.
        """

    def result(self, *, is_done: bool) -> ModelResponse:
        """Return the response after the end of the stream; `is_done` says whether the server sent `[DONE]`."""

    @property
    def length(self) -> int:
        """Number of characters of the answer so far, and of the reasoning in Chat Completions."""

    def result_after_error(self, error: object) -> ModelResponse:
        """Return the response when an error, the `error` of an event in any shape, ended the stream."""


class _TextBuffer:
    """Text that arrives in chunks. It joins surrogate pairs that servers split between two chunks."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._pending_surrogate = ""
        self.length = 0

    def __str__(self) -> str:
        return "".join(self._pieces)

    def add(self, chunk: str) -> str:
        """Add a chunk and return the text that is complete. Raises ValueError for a surrogate without its pair."""
        text = self._pending_surrogate + chunk
        self._pending_surrogate = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text.removesuffix(self._pending_surrogate).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        self._pieces.append(whole)
        self.length += len(whole)
        return whole


class ChatAccumulator:
    """Accumulator for chunks of Chat Completions. It reads only the first choice: requests ask for one."""

    def __init__(self) -> None:
        self._text, self._refusal, self._reasoning = _TextBuffer(), _TextBuffer(), _TextBuffer()
        self._finish_reason = ""
        self._usage: Usage | None = None

    def feed(self, event: object) -> str:
        chunk = _Chunk.model_validate(event)
        self._usage = parse_usage(chunk.usage) or self._usage
        return "".join(self._add_choice(choice) for choice in chunk.choices or () if not choice.index)

    def result(self, *, is_done: bool) -> ModelResponse:
        response = ModelResponse(
            text=str(self._text), reasoning=str(self._reasoning), has_ended=bool(self._finish_reason), usage=self._usage
        )
        if not self._finish_reason and not is_done:
            return response.model_copy(update={"failure": CompletionOutcome.FAILED, "detail": INCOMPLETE_STREAM})
        return chat_result(response, str(self._refusal), self._finish_reason)

    @property
    def length(self) -> int:
        return self._text.length + self._reasoning.length

    def result_after_error(self, error: object) -> ModelResponse:
        return error_result(error, str(self._text), self._usage)

    def _add_choice(self, choice: "_Choice") -> str:
        delta = choice.delta or ChatMessage()
        self._reasoning.add(delta.reasoning_text)
        self._refusal.add(delta.refusal or "")
        self._finish_reason = choice.finish_reason or self._finish_reason
        return self._text.add(delta.content)


class ResponseAccumulator:
    """Accumulator for events of Responses. The final event contains the whole response, which is the result."""

    def __init__(self) -> None:
        self._text = _TextBuffer()
        self._final_response: ModelResponse | None = None

    def feed(self, event: object) -> str:
        match _Event.model_validate(event).type:
            case "response.output_text.delta":
                return self._text.add(_TextDelta.model_validate(event).delta)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._final_response = response_result(_FinalEvent.model_validate(event).response)
            case "error":
                self._final_response = self.result_after_error(event)
            case _:
                pass
        return ""

    @property
    def length(self) -> int:
        return self._text.length

    def result(self, *, is_done: bool) -> ModelResponse:  # noqa: ARG002 - the final event has the status
        return self._final_response or ModelResponse(
            text=str(self._text), failure=CompletionOutcome.FAILED, detail=INCOMPLETE_STREAM
        )

    def result_after_error(self, error: object) -> ModelResponse:
        return error_result(error, str(self._text))


class _Choice(BaseModel):
    index: int | None = None
    delta: ChatMessage | None = None
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    usage: Any = None


class _Event(BaseModel):
    type: str


class _TextDelta(BaseModel):
    delta: str


class _FinalEvent(BaseModel):
    response: ResponseBody


# With these annotations mypy checks that the classes implement the protocol.
_CHAT_ACCUMULATOR: type[StreamAccumulator] = ChatAccumulator
_RESPONSE_ACCUMULATOR: type[StreamAccumulator] = ResponseAccumulator
