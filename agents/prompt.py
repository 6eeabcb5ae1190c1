"""Own the context window: one pure function from state to prompt, one short renderer per event (factors 3 and 9)."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import Any, assert_never

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.agent_context import agent_context, mark_own_events
from agents.events import (
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
from agents.frozen import FrozenModel
from agents.output_schema import ASK_AGENT_INTENT
from agents.state import Delegation, HistoryEvent, ThreadState
from agents.steps import RequestHumanInput
from agents.visible_text import escape_hidden_characters

MAX_TEXT_LENGTH = 4000
MAX_ERROR_LENGTH = 500


class Prompt(FrozenModel):
    """`system` stays the same for an agent (and so in a provider's cache); `user` grows with the thread."""

    system: str
    user: str


def render_prompt(state: ThreadState, agent: Agent, delegates: Iterable[Agent] = ()) -> Prompt:
    """All the model is told, in the order it happened. Text of others is escaped, so that none can forge an event.

    `others` are the agents this one may ask.
    """
    return Prompt(system=_render_system(agent, delegates), user="\n".join(_render_thread(state)))


def _render_system(agent: Agent, delegates: Iterable[Agent]) -> str:
    tools = [f"- {tool.name}: {' '.join(tool.description.split())}" for tool in agent.tools]
    asks = [f"- {other.name}: {' '.join(other.purpose.split())}" for other in delegates]
    colleagues = ["", f"Agents you may ask with {ASK_AGENT_INTENT}:", *asks] if asks else []
    return "\n".join([agent.instructions.strip(), "", "Tools:", *tools, *colleagues])


def _render_thread(state: ThreadState) -> Iterator[str]:
    yield f'<thread id="{escape(state.thread_id)}" requester="{escape(state.requester)}">'
    if state.dropped_events:
        yield f'<forgotten events="{state.dropped_events}"/>'
    yield from _render_history(state)
    yield "</thread>"
    if state.delegations:
        delegator = escape(state.delegations[-1].delegator)
        yield f"{delegator} asked you: your done_for_now goes to that agent, and to no person."
    yield "Choose the next step."


def _render_history(state: ThreadState) -> Iterator[str]:
    """The agent's own part of the thread, and what people said in all of it; of agents it asked, what they answered."""
    scope = agent_context(state)
    yield from _render_events(event for event in scope.before if isinstance(event, MessageEvent))
    if state.delegations:
        yield _render_delegation(state.delegations[-1])
    since = (event for event, own in mark_own_events(scope.since) if own or isinstance(event, MessageEvent))
    yield from _render_events(_drop_resolved_errors(tuple(since)))


def _render_events(events: Iterable[HistoryEvent]) -> Iterator[str]:
    return (text for event in events if (text := render_event(event)) is not None)


def _render_delegation(delegation: Delegation) -> str:
    return _render_tag("asked", delegation.message, by=f"agent:{delegation.delegator}", call=delegation.call_id)


def _drop_resolved_errors(history: tuple[HistoryEvent, ...]) -> Iterator[HistoryEvent]:
    """Errors that were overcome are left out: a failure matters until the next success of the agent."""
    last_good = max((i for i, e in enumerate(history) if _is_success(e)), default=-1)
    for index, event in enumerate(history):
        if index > last_good or not isinstance(event, ToolFailed | StepRejected):
            yield event


def _is_success(event: HistoryEvent) -> bool:
    return isinstance(event, ToolSucceeded) or (isinstance(event, ReplyChosen) and event.actor != ENGINE)


def render_event(event: HistoryEvent) -> str | None:
    """One event as the model sees it; None for what it need not see."""
    match event:
        case MessageReceived():
            return _render_message("quoted" if event.author else "message", event.text, event, author=event.author)
        case MessageEdited():
            return _render_message("message_edited", event.text, event)
        case MessageDeleted():
            return _render_message("message_deleted", "The message was taken back.", event)
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
            return _render_tag("timeout", "Nobody answered in time. That is a timeout, not a refusal.")
        case RequestSuperseded():
            return _render_tag("superseded", event.reason)
        case ReplyChosen():
            return None if event.actor == ENGINE else _render_tag("reply", event.text)  # a notice is for people
        case TimerFired():
            return _render_tag("timer", "The wait you asked for is over.", at=_format_time(event.at))
        case BudgetExtended():
            return _render_tag("budget_extended", f"{event.by:g} more {event.kind}")
        case ThreadForked():
            return _render_tag(
                "forked", "This is a copy of another thread; nothing asked there is still being asked here."
            )
        case _:
            assert_never(event)


def _render_message(name: str, text: str, event: MessageEvent, author: str | None = None) -> str:
    """What somebody said; with an author, somebody else's words that they passed on."""
    at = _format_time(event.at)
    return _render_tag(name, text, by=event.actor, author=author, trust=event.provenance, at=at, ref=event.ref)


def _render_question(step: RequestHumanInput) -> str:
    return _render_tag("question", "\n".join([step.question, *(f"- {choice}" for choice in step.choices)]))


def _render_invalid_step(event: StepRejected) -> str:
    began = f"\nIt began: {event.written}" if event.written else ""
    return _render_tag("invalid_step", event.detail + began, MAX_ERROR_LENGTH)


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
    said = answer.text or answer.comment or ""
    if not answer.counted:
        return _render_tag("uncounted_answer", said, by=answer.by)
    if event.arguments is not None:
        changed = "They replaced the arguments with " + json.dumps(event.arguments, ensure_ascii=False)
        said = f"{changed}. {said}".strip()
    return _render_tag(f"person_{_PAST_TENSE[answer.decision]}", said, by=answer.by)


_PAST_TENSE = {"approve": "approved", "deny": "denied", "edit": "edited", "answer": "answered"}


def _render_tag(name: str, text: str, max_length: int = MAX_TEXT_LENGTH, **attributes: Any) -> str:
    told = (
        (key, escape(escape_hidden_characters(str(value)))) for key, value in attributes.items() if value is not None
    )
    facts = "".join(f' {key}="{value}"' for key, value in told)
    return f"<{name}{facts}>{_escape_body(text, max_length)}</{name}>"


def _escape_body(text: str, max_length: int) -> str:
    """The text of others: cut, escaped, and with nothing in it that a person reading along would not see."""
    cut = text if len(text) <= max_length else f"{text[:max_length]}… ({len(text)} characters in all)"
    return escape("\n".join(escape_hidden_characters(line.removesuffix("\r")) for line in cut.split("\n")), quote=False)


def _format_time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
