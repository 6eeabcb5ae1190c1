"""What a message does, by rule and without any model (DESIGN §6): it never approves, nor does what becomes of it.

No request open      it is heard, and the agent goes on.
A question open      from somebody who may answer, and fitting: it is the answer; otherwise it is heard. Whether a
                     tool ran is not taken from a message, for that answer can make it run again.
An approval open     a new instruction supersedes it; anything else is a comment: heard, kept for the agent, and the
                     approval stays open. An instruction is what matches a command of the agent that does more than
                     read, or starts with a word that corrects (`CORRECTIONS`), from whoever asked or from somebody
                     who may decide.

Of a message that leaves the request open its writer is told, in one line, what the request waits for
(`agents.pending`). That line is a notice: no model sees it.

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
from agents.cards import choices_of
from agents.commands import plain
from agents.deciders import with_names
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
from agents.held import resumed
from agents.judge import eligible, judge, same_person
from agents.messages import Assurance, Changed, Heard, Provenance
from agents.pending import HowTo, pending_notice
from agents.people import People
from agents.requests import Answer, Request
from agents.state import ThreadState

CORRECTIONS = frozenset(
    {"actually", "cancel", "change", "don't", "dont", "forget", "hold", "instead", "make", "no", "nope", "rather"}
    | {"scratch", "stop", "use", "wait"}
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_INSTRUCTED = "gave a new instruction"
_TAKEN_BACK = "took the message back"


def listen(
    state: ThreadState,
    heard: Heard,
    *,
    people: People,
    agent: Agent | None,
    how_to: HowTo | None = None,
    is_shared: bool = False,
) -> tuple[KnownEvent, ...]:
    """The events a message gives rise to, and behind them what it quotes.

    `how_to` is None where its writer cannot be told what the open request waits for. At a place that `is_shared` people
    talk to each other too.
    """
    events = _listened(state, heard, people, agent)
    is_remark = len(events) == 1 and heard.provenance == Provenance.VERIFIED_PERSON
    notice = pending_notice(state, heard, people, how_to, is_shared=is_shared) if is_remark and how_to else ()
    return (*events, *quoted(heard), *notice)


def _listened(state: ThreadState, heard: Heard, people: People, agent: Agent | None) -> tuple[KnownEvent, ...]:
    said = received(heard)
    request = state.request
    if request is None or heard.provenance != Provenance.VERIFIED_PERSON:
        return (said,)
    if request.kind == "question" and (answer := _answer(request, heard, people)):
        return (said, *answer, *resumed(state, heard.at, heard.by))
    if request.kind == "approval" and _instructs(request, heard.by, heard.text, people, agent):
        return (_superseded(request, heard, _INSTRUCTED, people), *resumed(state, heard.at, heard.by), said)
    return (said,)


def received(heard: Heard) -> MessageReceived:
    """What was heard, as a fact."""
    facts = heard.model_dump(include={"at", "provenance", "text", "source", "ref", "entered_by", "author"})
    return MessageReceived(actor=heard.by, **facts)


def quoted(heard: Heard) -> tuple[MessageReceived, ...]:
    """The words of others that came with the message, as facts. Only the channel's word tells who wrote them."""
    fact = received(heard).model_copy(update={"provenance": Provenance.UNVERIFIED, "ref": None})
    return tuple(fact.model_copy(update={"text": one.text, "author": one.author}) for one in heard.quotes)


def listen_again(
    state: ThreadState, changed: Changed, *, people: People, agent: Agent | None
) -> tuple[KnownEvent, ...]:
    """The events an edit or a deletion gives rise to; none when it is passed over."""
    if state.life == "cancelled" or not _is_news(state, changed, people):
        return ()
    request = state.request
    if request is None or request.kind == "question" or changed.provenance != Provenance.VERIFIED_PERSON:
        return (_noted(changed),)
    if changed.text is None:
        why = _TAKEN_BACK if changed.ref == _led_to(request, state) else None
    else:
        why = _INSTRUCTED if _instructs(request, changed.by, changed.text, people, agent) else None
    if why is None:
        return (_noted(changed),)
    return (_superseded(request, changed, why, people), *resumed(state, changed.at, changed.by), _noted(changed))


def instructs(text: str, agent: Agent | None) -> bool:
    """Whether a text is a new instruction rather than a remark."""
    words = _WORD.findall(plain(text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return bool(words) and (words[0] in CORRECTIONS or "instead" in words or _orders(text, agent))


def _orders(text: str, agent: Agent | None) -> bool:
    """Whether the text is a command that would do something; one that only looks takes nothing back."""
    match = agent.commands.match(text) if agent else None
    if agent is None or match is None:
        return False
    tool = agent.tool(str(match.step.get("intent")))
    return tool is None or tool.stance.effect != "read"


def _instructs(request: Request, by: Address, text: str, people: People, agent: Agent | None) -> bool:
    return _may_instruct(request, by, people) and instructs(text, agent)


def _may_instruct(request: Request, by: Address, people: People) -> bool:
    who = people.get(by)
    return same_person(request.requester, by, people) or (who is not None and eligible(who, request.ask))


def _superseded(request: Request, told: Heard | Changed, why: str, people: People) -> RequestSuperseded:
    reason = f"{people.name_of(told.by)} {why}"
    return RequestSuperseded(at=told.at, actor=told.by, request_id=request.id, reason=reason)


def _is_news(state: ThreadState, changed: Changed, people: People) -> bool:
    message = state.message_named(changed.ref)
    if message is None or not same_person(message.actor, changed.by, people):
        return False
    outdated = isinstance(message, MessageEdited) and changed.at < message.at
    return changed.text is None or not (outdated or changed.text == message.text)


def _noted(changed: Changed) -> MessageEdited | MessageDeleted:
    facts = changed.model_dump(include={"ref", "source", "provenance", "at"}) | {"actor": changed.by}
    return MessageDeleted(**facts) if changed.text is None else MessageEdited(**facts, text=changed.text)


def _led_to(request: Request, state: ThreadState) -> str | None:
    """The message that led to the call, if it has a name: the last one before it that had not been deleted by then."""
    calls = (i for i, e in enumerate(state.recent) if isinstance(e, ToolCalled) and e.call_id == request.call_id)
    before = state.recent[: next(calls, 0)]
    deleted = {event.ref for event in before if isinstance(event, MessageDeleted)}
    said = (e.ref for e in reversed(before) if isinstance(e, MessageReceived) and (e.ref or e.author is None))
    return next((ref for ref in said if ref not in deleted), None)


def _answer(request: Request, heard: Heard, people: People) -> tuple[KnownEvent, ...]:
    if request.purpose == "outcome":
        return ()
    answer = Answer(
        by=heard.by,
        entered_by=heard.entered_by,
        channel=heard.source,
        assurance=Assurance.MEDIUM,
        decision="answer",
        text=_fitting(request, heard.text),
    )
    try:
        judgement = judge(request, answer, people=people, now=heard.at)
    except (InvalidAnswer, AlreadySettled):
        return ()
    if not judgement.given.counted:
        return ()
    event = RequestAnswered(
        at=heard.at,
        actor=heard.by,
        provenance=heard.provenance,
        request_id=request.id,
        answer=judgement.given,
        status=judgement.status,
    )
    return (with_names(event, people, request),)


def _fitting(request: Request, text: str) -> str:
    """The choice that was meant, whatever its case; otherwise the text as it is."""
    choices = choices_of(request)
    if text in choices:
        return text
    return next((choice for choice in choices if plain(choice).lower() == plain(text).lower()), text)
