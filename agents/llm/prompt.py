"""Rendering of a thread's state as a prompt: a pure function, with one short renderer for each event type."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import Any, assert_never

from agents.core.agent import Agent, agent_context, mark_own_events
from agents.core.events import (
    BudgetExtended,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    MessageReceived,
    ReplyChosen,
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    StepChosen,
    StepRejected,
    ThreadForked,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.core.state import Delegation, HistoryEvent, ThreadState
from agents.core.steps import ASK_AGENT_INTENT, RequestHumanInput
from agents.core.values import ENGINE, FrozenModel
from agents.core.visible_text import escape_hidden_characters

MAX_TEXT_LENGTH = 4000
"""Limit in characters for the text of one event."""

MAX_ERROR_LENGTH = 500
"""Limit in characters for the text of one error."""


class Prompt(FrozenModel):
    """Prompt of a model call. `system` is constant for an agent, so providers can cache it; `user` holds the thread."""

    system: str
    user: str


def render_prompt(state: ThreadState, agent: Agent, delegates: Iterable[Agent] = ()) -> Prompt:
    """Return the prompt for an agent: the thread's events in order. Texts are escaped, so they cannot forge events.

    `delegates` are the agents that this one may ask.
    """
    return Prompt(system=_render_system(agent, delegates), user="\n".join(_render_thread(state)))


def _render_system(agent: Agent, delegates: Iterable[Agent]) -> str:
    tools = [f"- {tool.name}: {' '.join(tool.description.split())}" for tool in agent.tools]
    listed = [f"- {other.name}: {' '.join(other.purpose.split())}" for other in delegates]
    delegation = ["", f"Agents you may ask with {ASK_AGENT_INTENT}:", *listed] if listed else []
    return "\n".join([agent.instructions.strip(), "", "Tools:", *tools, *delegation])


def _render_thread(state: ThreadState) -> Iterator[str]:
    yield f'<thread id="{escape(state.thread_id)}" requester="{escape(state.requester)}">'
    if state.dropped_events:
        yield f'<forgotten events="{state.dropped_events}"/>'
    yield from _render_history(state)
    yield "</thread>"
    if state.delegations:
        delegator = escape(state.delegations[-1].delegator)
        yield f"{delegator} asked you: your done_for_now goes to that agent, not to a person."
    yield "Choose the next step."


def _render_history(state: ThreadState) -> Iterator[str]:
    """Yield the agent's own events, all messages of people, and the answers of agents that it asked."""
    context = agent_context(state)
    yield from _render_events(event for event in context.before_delegation if isinstance(event, MessageEvent))
    if state.delegations:
        yield _render_delegation(state.delegations[-1])
    since = (
        event
        for event, is_own in mark_own_events(context.since_delegation)
        if is_own or isinstance(event, MessageEvent)
    )
    yield from _render_events(_drop_resolved_errors(tuple(since)))


def _render_events(events: Iterable[HistoryEvent]) -> Iterator[str]:
    return (text for event in events if (text := render_event(event)) is not None)


def _render_delegation(delegation: Delegation) -> str:
    return _render_tag("asked", delegation.message, by=f"agent:{delegation.delegator}", call=delegation.call_id)


def _drop_resolved_errors(history: tuple[HistoryEvent, ...]) -> Iterator[HistoryEvent]:
    """Yield the events without resolved errors: a failure matters until the agent's next success."""
    last_success = max((i for i, e in enumerate(history) if _is_success(e)), default=-1)
    for index, event in enumerate(history):
        if index > last_success or not isinstance(event, ToolFailed | StepRejected):
            yield event


def _is_success(event: HistoryEvent) -> bool:
    return isinstance(event, ToolSucceeded) or (isinstance(event, ReplyChosen) and event.actor != ENGINE)


def render_event(event: HistoryEvent) -> str | None:
    """Return one event as text for the model; None for events that it does not need."""
    match event:
        case MessageReceived():
            return _render_received(event)
        case MessageEdited():
            return _render_message("message_edited", event.text, event)
        case MessageDeleted():
            return _render_message("message_deleted", "The message was deleted.", event)
        case StepChosen():
            return _render_question(event.step) if isinstance(event.step, RequestHumanInput) else None
        case StepRejected():
            return _render_invalid_step(event) if event.outcome.is_repairable else None
        case ToolCalled():
            return _render_call(event)
        case ToolSucceeded():
            return _render_tag("result", _render_result(event), call=event.call_id)
        case ToolFailed():
            return _render_tag("error", event.error, MAX_ERROR_LENGTH, call=event.call_id)
        case ToolOutcomeUnknown():
            return _render_tag("outcome_unknown", event.detail, MAX_ERROR_LENGTH, call=event.call_id)
        case RequestAnswered():
            return _render_answer(event)
        case RequestExpired():
            return _render_tag("timeout", "The request expired without an answer. That is a timeout, not a refusal.")
        case RequestSuperseded():
            return _render_tag("superseded", event.reason)
        case ReplyChosen():
            return None if event.actor == ENGINE else _render_tag("reply", event.text)  # Handrail's own
        case TimerFired():
            return _render_tag("timer", "The wait you asked for is over.", at=_format_time(event.at))
        case BudgetExtended():
            return _render_tag("budget_extended", f"{event.by:g} more {event.kind}")
        case ThreadForked():
            return _render_tag(
                "forked", "This is a copy of another thread; requests that are open there are not open here."
            )
        case _:
            assert_never(event)


def _render_received(event: MessageReceived) -> str:
    """Return a message as text, with its title unless that is the title of the thread with `Re:` before it."""
    is_reply = event.title is not None and event.title.lower().startswith("re:")
    title = None if is_reply else event.title
    return _render_message("quoted" if event.author else "message", event.text, event, event.author, title)


def _render_message(
    name: str, text: str, event: MessageEvent, author: str | None = None, title: str | None = None
) -> str:
    """Return a message as text; `author` is set when the sender quoted another author."""
    at, trust = _format_time(event.at), event.provenance
    return _render_tag(name, text, by=event.actor, author=author, trust=trust, at=at, ref=event.ref, title=title)


def _render_question(step: RequestHumanInput) -> str:
    return _render_tag("question", "\n".join([step.question, *(f"- {choice}" for choice in step.choices)]))


def _render_invalid_step(event: StepRejected) -> str:
    beginning = f"\nIt began: {event.written}" if event.written else ""
    return _render_tag("invalid_step", event.detail + beginning, MAX_ERROR_LENGTH)


def _render_call(event: ToolCalled) -> str:
    arguments = json.dumps(event.arguments, ensure_ascii=False)
    if event.verdict.answer == "deny":
        return _render_tag("refused", f"{event.tool} {arguments}: {event.verdict.reason}", call=event.call_id)
    return _render_tag("call", f"{event.tool} {arguments}", id=event.call_id)


def _render_result(event: ToolSucceeded) -> str:
    if event.result is None:
        return event.summary
    return f"{event.summary}\n{json.dumps(event.result, ensure_ascii=False)}"


def _render_answer(event: RequestAnswered) -> str:
    answer = event.answer
    text = answer.text or answer.comment or ""
    if not answer.counted:
        return _render_tag("uncounted_answer", text, by=answer.by)
    if event.arguments is not None:
        change = "They replaced the arguments with " + json.dumps(event.arguments, ensure_ascii=False)
        text = f"{change}. {text}".strip()
    return _render_tag(f"person_{_PAST_TENSE[answer.decision]}", text, by=answer.by)


_PAST_TENSE = {"approve": "approved", "deny": "denied", "edit": "edited", "answer": "answered"}


def _render_tag(name: str, text: str, max_length: int = MAX_TEXT_LENGTH, **attributes: Any) -> str:
    escaped = (
        (key, escape(escape_hidden_characters(str(value)))) for key, value in attributes.items() if value is not None
    )
    rendered = "".join(f' {key}="{value}"' for key, value in escaped)
    return f"<{name}{rendered}>{_escape_body(text, max_length)}</{name}>"


def _escape_body(text: str, max_length: int) -> str:
    """Return untrusted text truncated and escaped, with invisible characters made visible."""
    truncated = text if len(text) <= max_length else f"{text[:max_length]}… ({len(text)} characters in all)"
    lines = (escape_hidden_characters(line.removesuffix("\r")) for line in truncated.split("\n"))
    return escape("\n".join(lines), quote=False)


def _format_time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
