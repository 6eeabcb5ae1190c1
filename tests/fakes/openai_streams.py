"""Builders of streamed answers of OpenAI's two APIs: server-sent events with the text in deltas."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.fakes.openai_shapes import Api, ModelAnswer, chat_usage, error, failed_response, response, text_fields

DONE = b"data: [DONE]\n\n"

Event = dict[str, Any]


def encode_events(api: Api, events: Iterable[Event]) -> list[bytes]:
    """Return the events as bytes. Responses has an event name, the type; Chat Completions has none."""
    named = ((f"event: {event['type']}\n" if api == "responses" else "", event) for event in events)
    return [f"{name}data: {json.dumps(event)}\n\n".encode() for name, event in named]


def encode_answer(api: Api, answer: ModelAnswer, model: str, chunks: Sequence[str], *, has_usage: bool) -> list[bytes]:
    """Return a complete answer in these chunks. Chat Completions sends token counts only with `has_usage`."""
    if api == "responses":
        return encode_events(api, response_events(answer, model, chunks))
    return [*encode_events(api, chat_chunks(answer, model, chunks, has_usage=has_usage)), DONE]


def encode_start(api: Api, model: str, chunks: Sequence[str]) -> list[bytes]:
    """Return the start of an answer, up to the end of these chunks."""
    answer = ModelAnswer(text="".join(chunks))
    if api == "responses":
        return encode_events(api, _number_events(_response_start_events(answer, model, chunks)))
    return encode_events(api, _chat_start_chunks(answer, model, chunks))


def encode_stream_error(api: Api, message: str, code: str | None) -> list[bytes]:
    """Return the error event of a server that fails in the middle of an answer."""
    flat = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 99}
    return encode_events(api, [flat if api == "responses" else error(message, code)])


def encode_failure(api: Api, message: str, code: str, model: str) -> list[bytes]:
    """Return the events of a server that fails before the first text, with status 200."""
    if api == "chat":
        return encode_stream_error(api, message, code)
    created = next(_response_start_events(ModelAnswer(), model, []))
    return encode_events(
        api, _number_events([created, {"type": "response.failed", "response": failed_response(code, message, model)}])
    )


def chat_chunks(answer: ModelAnswer, model: str, text_chunks: Sequence[str], *, has_usage: bool) -> list[Event]:
    """Yield all chunks of an answer; token counts are in an additional chunk without choices."""
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}
    chunks = [*_chat_start_chunks(answer, model, text_chunks), _chat_chunk(model, last)]
    if not has_usage:
        return chunks
    return [{**chunk, "usage": None} for chunk in chunks] + [
        {**_chat_chunk(model), "usage": chat_usage(tokens)} for tokens in [answer.token_usage] if tokens
    ]


def response_events(answer: ModelAnswer, model: str, chunks: Sequence[str]) -> list[Event]:
    """Yield all events of an answer; the last one has the whole response."""
    complete = response(answer, model)
    end = {"type": f"response.{complete['status']}", "response": complete}
    return _number_events(
        [*_response_start_events(answer, model, chunks), *_response_done_events(answer, complete), end]
    )


def _chat_start_chunks(answer: ModelAnswer, model: str, chunks: Sequence[str]) -> Iterator[Event]:
    deltas = (
        [text_fields(answer.location, chunk) for chunk in chunks]
        if answer.refusal is None
        else [{"refusal": answer.refusal}]
    )
    for delta in [{"role": "assistant", "content": "", "refusal": None}, *deltas]:
        yield _chat_chunk(model, {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None})


def _chat_chunk(model: str, *choices: Event) -> Event:
    named = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return {**named, "system_fingerprint": None, "choices": list(choices)}


_PART: Event = {"item_id": "msg_1", "output_index": 1, "content_index": 0}


def _response_start_events(answer: ModelAnswer, model: str, chunks: Sequence[str]) -> Iterator[Event]:
    """Yield the events up to the last text delta; a reasoning item comes first."""
    complete = response(answer, model)
    thoughts, message = complete["output"]
    open_ = {**complete, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": open_}
    yield {"type": "response.in_progress", "response": open_}
    yield {"type": "response.output_item.added", "output_index": 0, "item": thoughts}
    yield {"type": "response.output_item.done", "output_index": 0, "item": thoughts}
    item = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 1, "item": item}
    yield {"type": "response.content_part.added", **_PART, "part": {**message["content"][0], _text_key(answer): ""}}
    for chunk in chunks if answer.refusal is None else [answer.refusal]:
        yield {"type": f"{_event_prefix(answer)}.delta", **_PART, "delta": chunk, **_logprobs(answer)}


def _response_done_events(answer: ModelAnswer, complete: Event) -> Iterator[Event]:
    message = complete["output"][1]
    part = message["content"][0]
    yield {
        "type": f"{_event_prefix(answer)}.done",
        **_PART,
        _text_key(answer): part[_text_key(answer)],
        **_logprobs(answer),
    }
    yield {"type": "response.content_part.done", **_PART, "part": part}
    yield {"type": "response.output_item.done", "output_index": 1, "item": message}


def _event_prefix(answer: ModelAnswer) -> str:
    return "response.output_text" if answer.refusal is None else "response.refusal"


def _text_key(answer: ModelAnswer) -> str:
    return "text" if answer.refusal is None else "refusal"


def _logprobs(answer: ModelAnswer) -> Event:
    return {"logprobs": []} if answer.refusal is None else {}


def _number_events(events: Iterable[Event]) -> list[Event]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
