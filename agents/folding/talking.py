"""People say something, the thread answers, channels take what is sent."""

from datetime import datetime
from typing import Any, assert_never

from agents.events import MessageReceived, MessageSent, MessageUndeliverable, ReplyChosen
from agents.folding.settling import replaced
from agents.messages import Message, Provenance
from agents.state import Outgoing, ThreadState

TalkingEvent = MessageReceived | ReplyChosen | MessageSent | MessageUndeliverable


def fold_talking(state: ThreadState, event: TalkingEvent) -> dict[str, Any]:
    """The changed fields."""
    match event:
        case MessageReceived():
            return _received(state, event)
        case ReplyChosen():
            reply = Outgoing(key=f"reply:{state.version + 1}", to=state.origin, message=Message(text=event.text))
            return {"outgoing": (*state.outgoing, reply)}
        case MessageSent() | MessageUndeliverable():
            return _taken(state, event.key, event.at)
        case _:
            assert_never(event)


def _received(state: ThreadState, event: MessageReceived) -> dict[str, Any]:
    """A message re-opens a thread that rests and ends an await; while a person is asked it is only heard."""
    known = event.provenance in (Provenance.VERIFIED_PERSON, Provenance.SYSTEM)
    heard = {"trusted": state.trusted and known, "fires_at": None, "life": "open"}
    return heard if state.request or state.call else {**heard, **_FRESH_START}


_FRESH_START = {"models_turn": True, "failures": 0, "repairs": 0, "retries": 0, "retry_at": None}


def _taken(state: ThreadState, key: str, at: datetime) -> dict[str, Any]:
    done = next((m for m in state.outgoing if m.key == key), None)
    rest = {"outgoing": tuple(m for m in state.outgoing if m.key != key)}
    request = state.request_named(done.request_id) if done and done.request_id else None
    if done is None or request is None:
        return rest
    corrected = {"state": request.status, "settled_at": None if request.status == "open" else at}
    cards = tuple(c.model_copy(update=corrected) if c.address == done.to else c for c in request.cards)
    return {**rest, "requests": replaced(state, request.model_copy(update={"cards": cards}))}
