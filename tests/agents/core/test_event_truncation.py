"""Long texts in events are truncated with their length appended, except in fields that a digest covers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import InvalidInput
from agents.core.event_truncation import MAX_TEXT_BYTES, truncate_text, truncate_texts
from agents.core.events import KnownEvent
from agents.llm.output_parser import parse_step
from storage.codec import EVENT_ADAPTER
from tests.agents.core.test_events import EVENT_FORMS, read_golden_file
from tests.agents.factories import AGENT

LONG_TEXT = "é" * MAX_TEXT_BYTES


def with_long_texts(value: object) -> object:
    """Return the value with a long text in each free-text field."""
    if isinstance(value, dict):
        free_text_fields = ("text", "summary", "error", "detail", "reason", "reasoning", "comment", "message", "result")
        return {
            name: LONG_TEXT if name in free_text_fields and isinstance(part, str | None) else with_long_texts(part)
            for name, part in value.items()
        }
    return [with_long_texts(part) for part in value] if isinstance(value, list) else value


def event(form: str, *, is_long: bool) -> KnownEvent:
    stored = read_golden_file(form)
    data = with_long_texts(stored["data"]) if is_long else stored["data"]
    return EVENT_ADAPTER.validate_python({**data, **{name: stored[name] for name in ("type", "v", "at", "actor")}})


@pytest.mark.parametrize("form", EVENT_FORMS)
def test_no_text_of_an_event_exceeds_the_limit(form: str) -> None:
    truncated = truncate_texts(event(form, is_long=True))
    assert len(truncated.model_dump_json().encode()) < 4 * MAX_TEXT_BYTES
    assert truncate_texts(truncated) is truncated


@pytest.mark.parametrize("form", EVENT_FORMS)
def test_event_of_usual_size_stays_the_same_object(form: str) -> None:
    usual = event(form, is_long=False)
    assert truncate_texts(usual) is usual


@given(st.text(), st.integers(0, MAX_TEXT_BYTES))
def test_truncated_text_ends_with_its_full_length(text: str, times: int) -> None:
    whole = (text * (times // max(1, len(text)) + 1))[: 2 * MAX_TEXT_BYTES]
    truncated = truncate_text(whole)
    if len(whole.encode()) <= MAX_TEXT_BYTES:
        assert truncated == whole
    else:
        kept, _, suffix = truncated.rpartition("…")
        assert whole.startswith(kept)
        assert suffix == f" (truncated: {len(whole)} characters in all)"
        assert len(truncated.encode()) <= MAX_TEXT_BYTES


def test_question_over_the_limit_is_rejected_and_not_truncated() -> None:
    step = {"intent": "request_human_input", "question": LONG_TEXT}
    with pytest.raises(InvalidInput, match=r"step\.question: too long \(64000 characters\)"):
        parse_step(json.dumps({"reasoning": "", "step": step}), AGENT)
