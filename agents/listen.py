"""What a message does, by rule and without any model (DESIGN §6): it never approves.

No request open      it is heard, and the agent goes on.
A question open      from somebody who may answer, and fitting: it is the answer; otherwise it is heard. Whether a
                     tool ran is not taken from a message, for that answer can make it run again.
An approval open     a new instruction supersedes it; anything else is a comment: heard, kept for the agent, and the
                     approval stays open. An instruction is what matches a command of the agent that does more than
                     read, or starts with a word that corrects (`CORRECTIONS`), from whoever asked or from somebody
                     who may decide.
"""

import re

from agents.agent import Agent
from agents.cards import choices_of
from agents.commands import plain
from agents.errors import AlreadySettled, InvalidAnswer
from agents.events import KnownEvent, MessageReceived, RequestAnswered, RequestSuperseded
from agents.judge import eligible, judge, same_person
from agents.messages import Assurance, Heard, Provenance
from agents.people import People
from agents.requests import Answer, Request
from agents.state import ThreadState

CORRECTIONS = frozenset(
    {"actually", "cancel", "change", "don't", "dont", "forget", "hold", "instead", "make", "no", "nope", "rather"}
    | {"scratch", "stop", "use", "wait"}
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def listen(state: ThreadState, heard: Heard, *, people: People, agent: Agent | None) -> tuple[KnownEvent, ...]:
    """The events a message gives rise to."""
    received = MessageReceived(
        at=heard.at, actor=heard.by, provenance=heard.provenance, text=heard.text, source=heard.source
    )
    request = state.request
    if request is None or heard.provenance != Provenance.VERIFIED_PERSON:
        return (received,)
    if request.kind == "question":
        return (received, *_answer(request, heard, people))
    if _may_instruct(request, heard, people) and instructs(heard.text, agent):
        reason = f"{heard.by.rest} gave a new instruction"
        superseded = RequestSuperseded(at=heard.at, actor=heard.by, request_id=request.id, reason=reason)
        return (superseded, received)
    return (received,)


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


def _may_instruct(request: Request, heard: Heard, people: People) -> bool:
    who = people.get(heard.by)
    return same_person(request.requester, heard.by, people) or (who is not None and eligible(who, request.ask))


def _answer(request: Request, heard: Heard, people: People) -> tuple[RequestAnswered, ...]:
    if request.purpose == "outcome":
        return ()
    answer = Answer(
        by=heard.by,
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
    return (
        RequestAnswered(
            at=heard.at,
            actor=heard.by,
            provenance=heard.provenance,
            request_id=request.id,
            answer=judgement.given,
            status=judgement.status,
        ),
    )


def _fitting(request: Request, text: str) -> str:
    """The choice that was meant, whatever its case; otherwise the text as it is."""
    choices = choices_of(request)
    if text in choices:
        return text
    return next((choice for choice in choices if plain(choice).lower() == plain(text).lower()), text)
