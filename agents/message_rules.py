"""What a message does, by rule and without any model (DESIGN §6): it never approves, nor does what becomes of it.

No request open      it is heard, and the agent goes on.
A question open      from somebody who may answer, and fitting: it is the answer; otherwise it is heard. Whether a
                     tool ran is not taken from a message, for that answer can make it run again.
An approval open     a new instruction supersedes it; anything else is a comment: heard, kept for the agent, and the
                     approval stays open. An instruction is what matches a command of the agent that does more than
                     read, or starts with a word that corrects (`CORRECTIONS`), from whoever asked or from somebody
                     who may decide.

Of a message that leaves the request open its writer is told, in one line, what the request waits for
(`agents.open_request_notice`). That line is a notice: no model sees it.

An edit or a deletion is noted for the agent's next turn. It is no turn by itself, so what rests, waits or runs goes on
doing so, and it answers no question. It is passed over when the thread is cancelled, when the message was never heard,
is forgotten or deleted already, when somebody else wrote it, and when nothing is new: the same text, or a text older
than one we have, since edits may arrive in any order.

An approval open     an edit into an instruction supersedes it as a message would; so does deleting the message that led
                     to it, the last one before the call was asked for, whoever wrote that.
"""

import re

from agents.addresses import Address
from agents.agent import Agent
from agents.cards import allowed_choices
from agents.commands import normalize
from agents.deciders import add_decider_names
from agents.decisions import evaluate_answer, is_same_person, may_decide
from agents.errors import AlreadySettled, InvalidAnswer
from agents.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    RequestAnswered,
    RequestSuperseded,
    ToolCalled,
)
from agents.expiry_pause import resume_events
from agents.messages import Assurance, IncomingEdit, IncomingMessage, Provenance
from agents.open_request_notice import AnswerInstructions, open_request_notice
from agents.people import People
from agents.requests import Answer, Request
from agents.state import ThreadState

CORRECTION_WORDS = frozenset(
    {"actually", "cancel", "change", "don't", "dont", "forget", "hold", "instead", "make", "no", "nope", "rather"}
    | {"scratch", "stop", "use", "wait"}
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_NEW_INSTRUCTION = "gave a new instruction"
_MESSAGE_DELETED = "took the message back"


def events_for_message(
    state: ThreadState,
    message: IncomingMessage,
    *,
    people: People,
    agent: Agent | None,
    answer_instructions: AnswerInstructions | None = None,
    is_shared: bool = False,
) -> tuple[KnownEvent, ...]:
    """The events a message gives rise to, and behind them what it quotes.

    `how_to` is None where its writer cannot be told what the open request waits for. At a place that `is_shared` people
    talk to each other too.
    """
    events = _message_events(state, message, people, agent)
    is_remark = len(events) == 1 and message.provenance == Provenance.VERIFIED_PERSON
    notice = (
        open_request_notice(state, message, people, answer_instructions, is_shared=is_shared)
        if is_remark and answer_instructions
        else ()
    )
    return (*events, *to_quote_events(message), *notice)


def _message_events(
    state: ThreadState, message: IncomingMessage, people: People, agent: Agent | None
) -> tuple[KnownEvent, ...]:
    said = to_message_received(message)
    request = state.open_request
    if request is None or message.provenance != Provenance.VERIFIED_PERSON:
        return (said,)
    if request.kind == "question" and (answer := _answer_events(request, message, people)):
        return (said, *answer, *resume_events(state, message.at, message.by))
    if request.kind == "approval" and _is_instruction_from(request, message.by, message.text, people, agent):
        return (
            _supersede_event(request, message, _NEW_INSTRUCTION, people),
            *resume_events(state, message.at, message.by),
            said,
        )
    return (said,)


def to_message_received(message: IncomingMessage) -> MessageReceived:
    """What was heard, as a fact."""
    facts = message.model_dump(include={"at", "provenance", "text", "source", "ref", "entered_by", "author"})
    return MessageReceived(actor=message.by, **facts)


def to_quote_events(message: IncomingMessage) -> tuple[MessageReceived, ...]:
    """The words of others that came with the message, as facts. Only the channel's word tells who wrote them."""
    fact = to_message_received(message).model_copy(update={"provenance": Provenance.UNVERIFIED, "ref": None})
    return tuple(fact.model_copy(update={"text": one.text, "author": one.author}) for one in message.quotes)


def events_for_edit(
    state: ThreadState, edit: IncomingEdit, *, people: People, agent: Agent | None
) -> tuple[KnownEvent, ...]:
    """The events an edit or a deletion gives rise to; none when it is passed over."""
    if state.lifecycle == "cancelled" or not _is_change(state, edit, people):
        return ()
    request = state.open_request
    if request is None or request.kind == "question" or edit.provenance != Provenance.VERIFIED_PERSON:
        return (_to_edit_event(edit),)
    if edit.text is None:
        why = _MESSAGE_DELETED if edit.ref == _triggering_message(request, state) else None
    else:
        why = _NEW_INSTRUCTION if _is_instruction_from(request, edit.by, edit.text, people, agent) else None
    if why is None:
        return (_to_edit_event(edit),)
    return (_supersede_event(request, edit, why, people), *resume_events(state, edit.at, edit.by), _to_edit_event(edit))


def is_new_instruction(text: str, agent: Agent | None) -> bool:
    """Whether a text is a new instruction rather than a remark."""
    words = _WORD.findall(normalize(text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return bool(words) and (words[0] in CORRECTION_WORDS or "instead" in words or _is_write_command(text, agent))


def _is_write_command(text: str, agent: Agent | None) -> bool:
    """Whether the text is a command that would do something; one that only looks takes nothing back."""
    match = agent.commands.match(text) if agent else None
    if agent is None or match is None:
        return False
    tool = agent.get_tool(str(match.step.get("intent")))
    return tool is None or tool.defaults.effect != "read"


def _is_instruction_from(request: Request, by: Address, text: str, people: People, agent: Agent | None) -> bool:
    return _may_instruct(request, by, people) and is_new_instruction(text, agent)


def _may_instruct(request: Request, by: Address, people: People) -> bool:
    who = people.get(by)
    return is_same_person(request.requester, by, people) or (who is not None and may_decide(who, request.terms))


def _supersede_event(
    request: Request, cause: IncomingMessage | IncomingEdit, reason: str, people: People
) -> RequestSuperseded:
    reason = f"{people.name_of(cause.by)} {reason}"
    return RequestSuperseded(at=cause.at, actor=cause.by, request_id=request.id, reason=reason)


def _is_change(state: ThreadState, edit: IncomingEdit, people: People) -> bool:
    message = state.get_message(edit.ref)
    if message is None or not is_same_person(message.actor, edit.by, people):
        return False
    outdated = isinstance(message, MessageEdited) and edit.at < message.at
    return edit.text is None or not (outdated or edit.text == message.text)


def _to_edit_event(edit: IncomingEdit) -> MessageEdited | MessageDeleted:
    facts = edit.model_dump(include={"ref", "source", "provenance", "at"}) | {"actor": edit.by}
    return MessageDeleted(**facts) if edit.text is None else MessageEdited(**facts, text=edit.text)


def _triggering_message(request: Request, state: ThreadState) -> str | None:
    """The message that led to the call, if it has a name: the last one before it that had not been deleted by then."""
    calls = (i for i, e in enumerate(state.history) if isinstance(e, ToolCalled) and e.call_id == request.call_id)
    before = state.history[: next(calls, 0)]
    deleted = {event.ref for event in before if isinstance(event, MessageDeleted)}
    said = (e.ref for e in reversed(before) if isinstance(e, MessageReceived) and (e.ref or e.author is None))
    return next((ref for ref in said if ref not in deleted), None)


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
        judgement = evaluate_answer(request, answer, people=people, now=message.at)
    except (InvalidAnswer, AlreadySettled):
        return ()
    if not judgement.answer.counted:
        return ()
    event = RequestAnswered(
        at=message.at,
        actor=message.by,
        provenance=message.provenance,
        request_id=request.id,
        answer=judgement.answer,
        status=judgement.status,
    )
    return (add_decider_names(event, people, request),)


def _match_choice(request: Request, text: str) -> str:
    """The choice that was meant, whatever its case; otherwise the text as it is."""
    choices = allowed_choices(request)
    if text in choices:
        return text
    return next((choice for choice in choices if normalize(choice).lower() == normalize(text).lower()), text)
