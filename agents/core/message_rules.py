"""Rules for incoming messages, edits and deletions. None of them ever approves a request; no model is involved.

A message, depending on the open request:

no request      The message is recorded and the agent continues.
a question      If the sender may answer and the text fits, the message is the answer. Otherwise it is recorded as a
                comment. A message never answers the question whether an interrupted call took effect (purpose
                `outcome`), because such an answer can make a tool run again.
an approval     A new instruction supersedes the approval. Any other message is recorded as a comment and the approval
                stays open. A text is an instruction if it matches a command of the agent that does more than read,
                starts with a word of `CORRECTION_WORDS`, or contains "instead". It counts from the opener of the
                thread and from people who may decide.

The sender of a message that leaves the request open gets a notice in one line about what the request waits for
(`agents.core.open_request_notice`). Models do not see notices.

An edit or a deletion is recorded for the next turn of the agent. It does not start a turn, so a thread that is done,
waiting or running stays so, and it does not answer questions. It is ignored when the thread is cancelled, when the
message is unknown, no longer in the history or already deleted, when its sender is another person, and when it brings
nothing new: the same text, or a text older than the current one, because edits may arrive in any order.

With an open approval, an edit that makes the text an instruction supersedes the approval, and so does the deletion of
the message that led to the call: the last one before it, by any sender.
"""

import re

from agents.core.agent import Agent
from agents.core.cards import allowed_choices
from agents.core.commands import normalize
from agents.core.deadlines import end_expiry_pause
from agents.core.decisions import evaluate_answer, is_same_person, may_decide
from agents.core.errors import AlreadySettled, InvalidAnswer
from agents.core.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    RequestAnswered,
    RequestSuperseded,
    ToolCalled,
)
from agents.core.messages import Assurance, IncomingEdit, IncomingMessage, Provenance
from agents.core.open_request_notice import AnswerInstructions, open_request_notice
from agents.core.people import People
from agents.core.request_factory import add_decider_names
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.values import Address

CORRECTION_WORDS = frozenset(
    {"actually", "cancel", "change", "don't", "dont", "forget", "hold", "instead", "make", "no", "nope", "rather"}
    | {"scratch", "stop", "use", "wait"}
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_NEW_INSTRUCTION = "gave a new instruction"
_MESSAGE_DELETED = "deleted the message"


def events_for_message(
    state: ThreadState,
    message: IncomingMessage,
    *,
    people: People,
    agent: Agent | None,
    answer_instructions: AnswerInstructions | None = None,
    is_shared: bool = False,
) -> tuple[KnownEvent, ...]:
    """Return the events of a message, followed by its quotes and a notice about the open request.

    `answer_instructions` returns how to answer a request on this channel; without it there is no notice. `is_shared`
    marks a conversation in which people also talk to each other; there a notice is not repeated within seconds.
    """
    events = _message_events(state, message, people, agent)
    is_comment = len(events) == 1 and message.provenance == Provenance.VERIFIED_PERSON
    notice = (
        open_request_notice(state, message, people, answer_instructions, is_shared=is_shared)
        if is_comment and answer_instructions
        else ()
    )
    return (*events, *to_quote_events(message), *notice)


def _message_events(
    state: ThreadState, message: IncomingMessage, people: People, agent: Agent | None
) -> tuple[KnownEvent, ...]:
    received = to_message_received(message)
    request = state.open_request
    if request is None or message.provenance != Provenance.VERIFIED_PERSON:
        return (received,)
    if request.kind == "question" and (answer := _answer_events(request, message, people)):
        return (received, *answer, *end_expiry_pause(state, message.at, message.by))
    if request.kind == "approval" and _is_instruction_from(request, message.by, message.text, people, agent):
        return (
            _supersede_event(request, message, _NEW_INSTRUCTION, people),
            *end_expiry_pause(state, message.at, message.by),
            received,
        )
    return (received,)


def to_message_received(message: IncomingMessage) -> MessageReceived:
    """Return the event for an incoming message."""
    fields = message.model_dump(include={"at", "provenance", "text", "source", "ref", "entered_by", "author", "title"})
    return MessageReceived(actor=message.by, **fields)


def to_quote_events(message: IncomingMessage) -> tuple[MessageReceived, ...]:
    """Return the events for quoted texts. They are unverified, because only the channel says who wrote them."""
    event = to_message_received(message).model_copy(
        update={"provenance": Provenance.UNVERIFIED, "ref": None, "title": None}
    )
    return tuple(event.model_copy(update={"text": one.text, "author": one.author}) for one in message.quotes)


def events_for_edit(
    state: ThreadState, edit: IncomingEdit, *, people: People, agent: Agent | None
) -> tuple[KnownEvent, ...]:
    """Return the events of an edit or a deletion; empty when it is ignored."""
    if state.lifecycle == "cancelled" or not _is_change(state, edit, people):
        return ()
    request = state.open_request
    if request is None or request.kind == "question" or edit.provenance != Provenance.VERIFIED_PERSON:
        return (_to_edit_event(edit),)
    if edit.text is None:
        reason = _MESSAGE_DELETED if edit.ref == _triggering_message_ref(request, state) else None
    else:
        reason = _NEW_INSTRUCTION if _is_instruction_from(request, edit.by, edit.text, people, agent) else None
    if reason is None:
        return (_to_edit_event(edit),)
    return (
        _supersede_event(request, edit, reason, people),
        *end_expiry_pause(state, edit.at, edit.by),
        _to_edit_event(edit),
    )


def is_new_instruction(text: str, agent: Agent | None) -> bool:
    """Return whether a text is a new instruction and not a comment."""
    words = _WORD.findall(normalize(text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return bool(words) and (words[0] in CORRECTION_WORDS or "instead" in words or _is_write_command(text, agent))


def _is_write_command(text: str, agent: Agent | None) -> bool:
    """Return whether the text is a command that does more than read."""
    match = agent.commands.match(text) if agent else None
    if agent is None or match is None:
        return False
    tool = agent.get_tool(str(match.step.get("intent")))
    return tool is None or tool.defaults.effect != "read"


def _is_instruction_from(request: Request, by: Address, text: str, people: People, agent: Agent | None) -> bool:
    return _may_instruct(request, by, people) and is_new_instruction(text, agent)


def _may_instruct(request: Request, by: Address, people: People) -> bool:
    """Return whether a new instruction of this person supersedes the request."""
    person = people.get(by)
    return is_same_person(request.requester, by, people) or (person is not None and may_decide(person, request.terms))


def _supersede_event(
    request: Request, cause: IncomingMessage | IncomingEdit, reason: str, people: People
) -> RequestSuperseded:
    reason = f"{people.name_of(cause.by)} {reason}"
    return RequestSuperseded(at=cause.at, actor=cause.by, request_id=request.id, reason=reason)


def _is_change(state: ThreadState, edit: IncomingEdit, people: People) -> bool:
    """Return whether the sender of a known message deleted it or gave it a new text."""
    message = state.get_message(edit.ref)
    if message is None or not is_same_person(message.actor, edit.by, people):
        return False
    is_outdated = isinstance(message, MessageEdited) and edit.at < message.at
    return edit.text is None or not (is_outdated or edit.text == message.text)


def _to_edit_event(edit: IncomingEdit) -> MessageEdited | MessageDeleted:
    fields = edit.model_dump(include={"ref", "source", "provenance", "at"}) | {"actor": edit.by}
    return MessageDeleted(**fields) if edit.text is None else MessageEdited(**fields, text=edit.text)


def _triggering_message_ref(request: Request, state: ThreadState) -> str | None:
    """Return the `ref` of the message that led to the call: the last one before it that was not deleted by then."""
    calls = (i for i, e in enumerate(state.history) if isinstance(e, ToolCalled) and e.call_id == request.call_id)
    earlier = state.history[: next(calls, 0)]
    deleted = {event.ref for event in earlier if isinstance(event, MessageDeleted)}
    # an event with an author and without a `ref` is a quote
    refs = (e.ref for e in reversed(earlier) if isinstance(e, MessageReceived) and (e.ref or e.author is None))
    return next((ref for ref in refs if ref not in deleted), None)


def _answer_events(request: Request, message: IncomingMessage, people: People) -> tuple[KnownEvent, ...]:
    if request.purpose == "outcome":
        return ()
    answer = Answer(
        by=message.by,
        entered_by=message.entered_by,
        channel=message.source,
        assurance=Assurance.MEDIUM,
        decision="answer",
        text=_match_choice(request, message.text),
    )
    try:
        evaluation = evaluate_answer(request, answer, people=people, now=message.at)
    except (InvalidAnswer, AlreadySettled):
        return ()
    if not evaluation.answer.counted:
        return ()
    event = RequestAnswered(
        at=message.at,
        actor=message.by,
        provenance=message.provenance,
        request_id=request.id,
        answer=evaluation.answer,
        status=evaluation.status,
    )
    return (add_decider_names(event, people, request),)


def _match_choice(request: Request, text: str) -> str:
    """Return the choice that equals the text except for case and spacing, or else the text."""
    choices = allowed_choices(request)
    if text in choices:
        return text
    return next((choice for choice in choices if normalize(choice).lower() == normalize(text).lower()), text)
