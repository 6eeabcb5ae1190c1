"""Own the context window: one pure function from state to prompt, one short renderer per event (factors 3 and 9)."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from typing import Any, assert_never

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.events import (
    BudgetExtended,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReplyChosen,
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    Spoken,
    StepChosen,
    StepRejected,
    ThreadForked,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.frozen import Frozen
from agents.schema import ASK_AGENT
from agents.scope import scope_of, told_apart
from agents.state import Asked, Remembered, ThreadState
from agents.steps import RequestHumanInput
from agents.visible import visible

LONGEST_TEXT = 4000
LONGEST_ERROR = 500


class Prompt(Frozen):
    """`system` stays the same for an agent (and so in a provider's cache); `user` grows with the thread."""

    system: str
    user: str


def render_prompt(state: ThreadState, agent: Agent, others: Iterable[Agent] = ()) -> Prompt:
    """All the model is told, in the order it happened. Text of others is escaped, so that none can forge an event.

    `others` are the agents this one may ask.
    """
    return Prompt(system=_system(agent, others), user="\n".join(_told(state)))


def _system(agent: Agent, others: Iterable[Agent]) -> str:
    tools = [f"- {tool.name}: {' '.join(tool.description.split())}" for tool in agent.tools]
    asks = [f"- {other.name}: {' '.join(other.purpose.split())}" for other in others]
    colleagues = ["", f"Agents you may ask with {ASK_AGENT}:", *asks] if asks else []
    return "\n".join([agent.instructions.strip(), "", "Tools:", *tools, *colleagues])


def _told(state: ThreadState) -> Iterator[str]:
    yield f'<thread id="{escape(state.thread_id)}" requester="{escape(state.requester)}">'
    if state.forgotten:
        yield f'<forgotten events="{state.forgotten}"/>'
    yield from _happened(state)
    yield "</thread>"
    if state.asked:
        yield f"{escape(state.asked[-1].by)} asked you: your done_for_now goes to that agent, and to no person."
    yield "Choose the next step."


def _happened(state: ThreadState) -> Iterator[str]:
    """The agent's own part of the thread, and what people said in all of it; of agents it asked, what they answered."""
    scope = scope_of(state)
    yield from _rendered(event for event in scope.before if isinstance(event, Spoken))
    if state.asked:
        yield _asked(state.asked[-1])
    since = (event for event, own in told_apart(scope.since) if own or isinstance(event, Spoken))
    yield from _rendered(_compacted(tuple(since)))


def _rendered(events: Iterable[Remembered]) -> Iterator[str]:
    return (text for event in events if (text := rendered(event)) is not None)


def _asked(asked: Asked) -> str:
    return _tag("asked", asked.message, by=f"agent:{asked.by}", call=asked.call_id)


def _compacted(recent: tuple[Remembered, ...]) -> Iterator[Remembered]:
    """Errors that were overcome are left out: a failure matters until the next success of the agent."""
    last_good = max((i for i, e in enumerate(recent) if _is_success(e)), default=-1)
    for index, event in enumerate(recent):
        if index > last_good or not isinstance(event, ToolFailed | StepRejected):
            yield event


def _is_success(event: Remembered) -> bool:
    return isinstance(event, ToolSucceeded) or (isinstance(event, ReplyChosen) and event.actor != ENGINE)


def rendered(event: Remembered) -> str | None:
    """One event as the model sees it; None for what it need not see."""
    match event:
        case MessageReceived():
            return _spoken("quoted" if event.author else "message", event.text, event, author=event.author)
        case MessageEdited():
            return _spoken("message_edited", event.text, event)
        case MessageDeleted():
            return _spoken("message_deleted", "The message was taken back.", event)
        case StepChosen():
            return _question(event.step) if isinstance(event.step, RequestHumanInput) else None
        case StepRejected():
            return _invalid_step(event) if event.outcome.repairable else None
        case ToolCalled():
            return _called(event)
        case ToolSucceeded():
            return _tag("result", _result(event), call=event.call_id)
        case ToolFailed():
            return _tag("error", event.error, LONGEST_ERROR, call=event.call_id)
        case ToolOutcomeUnknown():
            return _tag("outcome_unknown", event.detail, LONGEST_ERROR, call=event.call_id)
        case RequestAnswered():
            return _answered(event)
        case RequestExpired():
            return _tag("timeout", "Nobody answered in time. That is a timeout, not a refusal.")
        case RequestSuperseded():
            return _tag("superseded", event.reason)
        case ReplyChosen():
            return None if event.actor == ENGINE else _tag("reply", event.text)  # a notice is for people
        case TimerFired():
            return _tag("timer", "The wait you asked for is over.", at=_time(event.at))
        case BudgetExtended():
            return _tag("budget_extended", f"{event.by:g} more {event.kind}")
        case ThreadForked():
            return _tag("forked", "This is a copy of another thread; nothing asked there is still being asked here.")
        case _:
            assert_never(event)


def _spoken(name: str, text: str, event: Spoken, author: str | None = None) -> str:
    """What somebody said; with an author, somebody else's words that they passed on."""
    at = _time(event.at)
    return _tag(name, text, by=event.actor, author=author, trust=event.provenance, at=at, ref=event.ref)


def _question(step: RequestHumanInput) -> str:
    return _tag("question", "\n".join([step.question, *(f"- {choice}" for choice in step.choices)]))


def _invalid_step(event: StepRejected) -> str:
    began = f"\nIt began: {event.written}" if event.written else ""
    return _tag("invalid_step", event.detail + began, LONGEST_ERROR)


def _called(event: ToolCalled) -> str:
    arguments = json.dumps(event.arguments, ensure_ascii=False)
    if event.verdict.answer == "deny":
        return _tag("refused", f"{event.tool} {arguments}: {event.verdict.reason}", call=event.call_id)
    return _tag("call", f"{event.tool} {arguments}", id=event.call_id)


def _result(event: ToolSucceeded) -> str:
    if event.result is None:
        return event.summary
    return f"{event.summary}\n{json.dumps(event.result, ensure_ascii=False)}"


def _answered(event: RequestAnswered) -> str:
    answer = event.answer
    said = answer.text or answer.comment or ""
    if not answer.counted:
        return _tag("uncounted_answer", said, by=answer.by)
    if event.arguments is not None:
        changed = "They replaced the arguments with " + json.dumps(event.arguments, ensure_ascii=False)
        said = f"{changed}. {said}".strip()
    return _tag(f"person_{_PAST[answer.decision]}", said, by=answer.by)


_PAST = {"approve": "approved", "deny": "denied", "edit": "edited", "answer": "answered"}


def _tag(name: str, text: str, longest: int = LONGEST_TEXT, **attributes: Any) -> str:
    told = ((key, escape(visible(str(value)))) for key, value in attributes.items() if value is not None)
    facts = "".join(f' {key}="{value}"' for key, value in told)
    return f"<{name}{facts}>{_body(text, longest)}</{name}>"


def _body(text: str, longest: int) -> str:
    """The text of others: cut, escaped, and with nothing in it that a person reading along would not see."""
    cut = text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters in all)"
    return escape("\n".join(visible(line.removesuffix("\r")) for line in cut.split("\n")), quote=False)


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
