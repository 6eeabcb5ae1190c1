"""Answers of OpenAI's two APIs as they stream them: server-sent events, with the text in deltas."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.fakes.openai_shapes import Api, Said, chat_usage, error, failed_response, response, spoken

DONE = b"data: [DONE]\n\n"

Event = dict[str, Any]


def written(api: Api, events: Iterable[Event]) -> list[bytes]:
    """The events as bytes. Responses names each by its type, Chat Completions has no names."""
    named = ((f"event: {event['type']}\n" if api == "responses" else "", event) for event in events)
    return [f"{name}data: {json.dumps(event)}\n\n".encode() for name, event in named]


def streamed(api: Api, said: Said, model: str, pieces: Sequence[str], *, count: bool) -> list[bytes]:
    """A whole answer, its text cut into these pieces. Chat Completions counts tokens only where that is asked for."""
    if api == "responses":
        return written(api, response_events(said, model, pieces))
    return [*written(api, chat_chunks(said, model, pieces, count=count)), DONE]


def begun(api: Api, model: str, pieces: Sequence[str]) -> list[bytes]:
    """An answer up to the end of these pieces of its text."""
    said = Said(text="".join(pieces))
    if api == "responses":
        return written(api, _numbered(_begun_response(said, model, pieces)))
    return written(api, _begun_chat(said, model, pieces))


def broken(api: Api, message: str, code: str | None) -> list[bytes]:
    """What a server says that cannot go on in the middle of an answer."""
    flat = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 99}
    return written(api, [flat if api == "responses" else error(message, code)])


def failed(api: Api, message: str, code: str, model: str) -> list[bytes]:
    """What a server says that cannot begin, though its status was 200."""
    if api == "chat":
        return broken(api, message, code)
    created = next(_begun_response(Said(), model, []))
    return written(
        api, _numbered([created, {"type": "response.failed", "response": failed_response(code, message, model)}])
    )


def chat_chunks(said: Said, model: str, pieces: Sequence[str], *, count: bool) -> list[Event]:
    """All chunks of an answer; tokens are counted in one more, which has no choices."""
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": said.ending}
    chunks = [*_begun_chat(said, model, pieces), _chunk(model, last)]
    if not count:
        return chunks
    return [{**chunk, "usage": None} for chunk in chunks] + [
        {**_chunk(model), "usage": chat_usage(tokens)} for tokens in [said.tokens] if tokens
    ]


def response_events(said: Said, model: str, pieces: Sequence[str]) -> list[Event]:
    """All events of an answer; the last one brings it whole."""
    whole = response(said, model)
    end = {"type": f"response.{whole['status']}", "response": whole}
    return _numbered([*_begun_response(said, model, pieces), *_closed(said, whole), end])


def _begun_chat(said: Said, model: str, pieces: Sequence[str]) -> Iterator[Event]:
    words = [spoken(said.place, piece) for piece in pieces] if said.refusal is None else [{"refusal": said.refusal}]
    for delta in [{"role": "assistant", "content": "", "refusal": None}, *words]:
        yield _chunk(model, {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None})


def _chunk(model: str, *choices: Event) -> Event:
    named = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return {**named, "system_fingerprint": None, "choices": list(choices)}


_PART: Event = {"item_id": "msg_1", "output_index": 1, "content_index": 0}


def _begun_response(said: Said, model: str, pieces: Sequence[str]) -> Iterator[Event]:
    """Thoughts come first, as from reasoning models."""
    whole = response(said, model)
    thoughts, message = whole["output"]
    open_ = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": open_}
    yield {"type": "response.in_progress", "response": open_}
    yield {"type": "response.output_item.added", "output_index": 0, "item": thoughts}
    yield {"type": "response.output_item.done", "output_index": 0, "item": thoughts}
    item = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 1, "item": item}
    yield {"type": "response.content_part.added", **_PART, "part": {**message["content"][0], _word(said): ""}}
    for piece in pieces if said.refusal is None else [said.refusal]:
        yield {"type": f"{_kind(said)}.delta", **_PART, "delta": piece, **_logprobs(said)}


def _closed(said: Said, whole: Event) -> Iterator[Event]:
    message = whole["output"][1]
    part = message["content"][0]
    yield {"type": f"{_kind(said)}.done", **_PART, _word(said): part[_word(said)], **_logprobs(said)}
    yield {"type": "response.content_part.done", **_PART, "part": part}
    yield {"type": "response.output_item.done", "output_index": 1, "item": message}


def _kind(said: Said) -> str:
    return "response.output_text" if said.refusal is None else "response.refusal"


def _word(said: Said) -> str:
    return "text" if said.refusal is None else "refusal"


def _logprobs(said: Said) -> Event:
    return {"logprobs": []} if said.refusal is None else {}


def _numbered(events: Iterable[Event]) -> list[Event]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
