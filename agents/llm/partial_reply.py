"""Reader of the reply in an answer that is still being streamed.

The emitted text is always a prefix of the final reply, if the answer becomes a valid reply. This holds because
`parse_step` rejects duplicate keys and `extract_object` rejects a second object, so the meaning of a string is known
once its key and the intent are known. Ambiguous text is not emitted.
"""

from typing import Any, Literal

from pydantic_core import from_json

from agents.core.steps import DoneForNow, Step
from agents.llm.answer_object import extract_partial_object

MIN_GROWTH = 1 / 256
"""Part of the answer that must be new before it is parsed again, so that the work stays linear in its length.

An answer of up to 256 characters is parsed after each character; a usual chunk of four characters, up to 1,024.
"""

_REPLY_INTENT = "done_for_now"


class PartialReplyReader:
    """Reader of one reply; `emitted` is the text that `feed` returned last.

    `may_be_wrapped` allows reasoning, prose or a code fence around the answer, as `extract_object` does.
    """

    def __init__(self, *, may_be_wrapped: bool) -> None:
        self.emitted = ""
        self._may_be_wrapped = may_be_wrapped
        self._chunks: list[str] = []
        self._length = 0
        self._parsed_length = 0

    def feed(self, chunk: str) -> str | None:
        """Add a chunk of the answer; return the reply so far if it became longer, else None.

        A returned text is never blank. A chunk below MIN_GROWTH of the answer is read with the next one.
        """
        self._chunks.append(chunk)
        self._length += len(chunk)
        if self._length - self._parsed_length < self._length * MIN_GROWTH:
            return None
        self._parsed_length = self._length
        self._chunks = ["".join(self._chunks)]
        message = self._read_message(self._chunks[0])
        if message.isspace() or message == self.emitted or not message.startswith(self.emitted):
            return None
        self.emitted = message
        return message

    def matches(self, step: Step) -> bool:
        """Return whether the final step is a reply that begins with the emitted text, or nothing was emitted."""
        return not self.emitted or (isinstance(step, DoneForNow) and step.message.startswith(self.emitted))

    def _read_message(self, text: str) -> str:
        """Return the message of the reply so far; empty when this is no reply, or not known to be one."""
        answer = extract_partial_object(text) if self._may_be_wrapped else text
        if _read_step(answer, allow_partial=True).get("intent") != _REPLY_INTENT:  # leaves out an incomplete intent
            return ""
        message = _read_step(answer, allow_partial="trailing-strings").get("message")
        return message if isinstance(message, str) else ""


def _read_step(answer: str, *, allow_partial: Literal[True, "trailing-strings"]) -> dict[str, Any]:
    """Return the fields of the step so far; none when the text is not the beginning of an answer.

    Lone surrogates are errors too: the databases cannot store them.
    """
    try:
        value = from_json(answer, allow_partial=allow_partial)
    except ValueError:
        return {}
    step = value.get("step") if isinstance(value, dict) else None
    return step if isinstance(step, dict) else {}
