"""What OpenAI's two APIs answer event by event: put together, it is the answer they give at once.

An answer counts as whole when the server says that it ended, never because nothing more came. Some servers end a chat
without a reason, with no more than `[DONE]`: then a whole object counts.
"""

from typing import Any, Protocol

from pydantic import BaseModel

from agents.budget import Usage
from agents.completion import Outcome
from agents.openai_answer import CUT_OFF, Answer, Response, Spoken, counted, ended_chat, ended_response, failed

BROKEN_OFF = "the answer broke off before its end"
TOO_LONG = Answer(trouble=Outcome.TRUNCATED, detail=CUT_OFF)


class Streamed(Protocol):
    """An answer on its way."""

    def take(self, event: object) -> str:
        """The text that the data of one event adds. Raises ValueError when it is no event of the API."""

    def answer(self, *, is_done: bool) -> Answer:
        """All there is when nothing more comes; `is_done` tells whether the server ended the stream itself."""

    @property
    def length(self) -> int:
        """How many characters there are, thoughts included."""

    def failed(self, error: object) -> Answer:
        """All there is when an error ends it: the `error` of an event, of any shape."""


class _Text:
    """A text in pieces. Servers that count in UTF-16 may cut a character in two: its halves come out as one."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._half = ""
        self.length = 0

    def __str__(self) -> str:
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """What becomes known of the text. Raises ValueError for a half that stays alone."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text.removesuffix(self._half).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        self._pieces.append(whole)
        self.length += len(whole)
        return whole


class StreamedChat:
    """An answer in chunks of Chat Completions. Only one choice is asked for, so others are left out."""

    def __init__(self) -> None:
        self._text, self._refusal, self._thoughts = _Text(), _Text(), _Text()
        self._reason = ""
        self._usage: Usage | None = None

    def take(self, event: object) -> str:
        chunk = _Chunk.model_validate(event)
        self._usage = counted(chunk.usage) or self._usage
        return "".join(self._added(choice) for choice in chunk.choices or () if not choice.index)

    def answer(self, *, is_done: bool) -> Answer:
        told = Answer(
            text=str(self._text), thoughts=str(self._thoughts), has_ended=bool(self._reason), usage=self._usage
        )
        if not self._reason and not is_done:
            return told.model_copy(update={"trouble": Outcome.FAILED, "detail": BROKEN_OFF})
        return ended_chat(told, str(self._refusal), self._reason)

    @property
    def length(self) -> int:
        return self._text.length + self._thoughts.length

    def failed(self, error: object) -> Answer:
        return failed(error, str(self._text), self._usage)

    def _added(self, choice: "_Choice") -> str:
        delta = choice.delta or Spoken()
        self._thoughts.add(delta.thoughts)
        self._refusal.add(delta.refusal or "")
        self._reason = choice.finish_reason or self._reason
        return self._text.add(delta.content)


class StreamedResponse:
    """An answer in events of Responses. The last one brings it whole once more, and that is what counts."""

    def __init__(self) -> None:
        self._text = _Text()
        self._end: Answer | None = None

    def take(self, event: object) -> str:
        match _Event.model_validate(event).type:
            case "response.output_text.delta":
                return self._text.add(_TextDelta.model_validate(event).delta)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end = ended_response(_End.model_validate(event).response)
            case "error":
                self._end = self.failed(event)
            case _:
                pass
        return ""

    @property
    def length(self) -> int:
        return self._text.length

    def answer(self, *, is_done: bool) -> Answer:  # noqa: ARG002 - the last event says how it ended
        return self._end or Answer(text=str(self._text), trouble=Outcome.FAILED, detail=BROKEN_OFF)

    def failed(self, error: object) -> Answer:
        return failed(error, str(self._text))


class _Choice(BaseModel):
    index: int | None = None
    delta: Spoken | None = None
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    usage: Any = None


class _Event(BaseModel):
    type: str


class _TextDelta(BaseModel):
    delta: str


class _End(BaseModel):
    response: Response


_CHAT: type[Streamed] = StreamedChat
_RESPONSE: type[Streamed] = StreamedResponse
