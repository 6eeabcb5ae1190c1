"""Small whole things the tests of the core are made of: a thread, a request, an answer."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from agents.addresses import Address, person
from agents.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageSent,
    RequestAnswered,
    RequestShown,
    ThreadStarted,
    ToolStarted,
)
from agents.interpret import interpret
from agents.judge import Edited, judge
from agents.messages import Assurance, Changed, Heard, Provenance, Receipt
from agents.moment import Moment
from agents.people import People, Person
from agents.policy import Ask, Policy, Verdict
from agents.reducer import fold
from agents.requests import Answer, Request
from agents.state import Outgoing, ThreadState
from agents.steps import CallTool, Step
from tests.histories import AGENT, AGENTS, START

NOW = START
ALICE, BOB, CAROL, STRANGER = person("alice"), person("bob"), person("carol"), Address("web:stranger")
TERMINAL, PHONE = Address("terminal:alice"), Address("sms:+15550001")
PEOPLE = People(
    everybody=(
        Person(key="alice", name="Alice", roles=("dev",), addresses=(TERMINAL, Address("email:alice@example.com"))),
        Person(key="bob", name="Bob", roles=("release",), addresses=(Address("terminal:bob"), Address("web:bob"))),
        Person(key="carol", name="Carol", roles=("release", "oncall"), addresses=(PHONE,)),
    )
)
RELEASE = Ask(roles=("release",))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def moment(fresh: str = "0001", at: datetime = NOW) -> Moment:
    return Moment(now=at, fresh=fresh, code=f"C{fresh}")


def terms(ask: Ask, rule: str = "the rule") -> Verdict:
    return Verdict(answer="ask", rule=rule, ask=ask)


def approval(ask: Ask = RELEASE, **changed: Any) -> Request:
    """Alice's request to push to staging, open since NOW."""
    facts = {
        "id": "req_1",
        "code": "ABCDE",
        "kind": "approval",
        "purpose": "tool",
        "thread_id": "thr_1",
        "agent": "walker",
        "requester": ALICE,
        "call_id": "call_1",
        "tool": "push",
        "arguments": {"where": "staging"},
        "digest": "d" * 64,
        "policy": terms(ask),
        "opened_at": NOW,
    }
    return Request.model_validate(facts | changed)


def question(ask: Ask = RELEASE, **changed: Any) -> Request:
    """The agent's question where to go, open since NOW."""
    asked = {"kind": "question", "purpose": "question", "question": "Where to?", "tool": None, "arguments": None}
    return approval(ask, **{**asked, "call_id": None, **changed})


def answer(decision: str = "approve", by: Address = BOB, **changed: Any) -> Answer:
    facts = {"by": by, "channel": Address("web:console"), "assurance": Assurance.HIGH, "decision": decision}
    return Answer.model_validate(facts | changed)


def heard(text: str, by: Address = ALICE, at: datetime = NOW, **changed: Any) -> Heard:
    source = Address("terminal:somebody")
    facts = {"text": text, "by": by, "source": source, "provenance": Provenance.VERIFIED_PERSON, "at": at}
    return Heard.model_validate(facts | changed)


def changed(ref: str, text: str | None, by: Address = ALICE, at: datetime = NOW, **more: Any) -> Changed:
    """What somebody made of a message; None for text when they deleted it."""
    source = Address("terminal:somebody")
    facts = {"text": text, "by": by, "source": source, "provenance": Provenance.VERIFIED_PERSON, "at": at}
    return Changed.model_validate({"ref": ref, **facts, **more})


def edited(ref: str, text: str, by: Address = ALICE, at: datetime = NOW, **more: Any) -> MessageEdited:
    facts = {"text": text, "at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageEdited.model_validate({"ref": ref, **facts, **more})


def deleted(ref: str, by: Address = ALICE, at: datetime = NOW, **more: Any) -> MessageDeleted:
    facts = {"at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageDeleted.model_validate({"ref": ref, **facts, **more})


def message(text: str, by: Address = ALICE, at: datetime = NOW, **changed: Any) -> MessageReceived:
    facts = {"text": text, "at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageReceived.model_validate(facts | changed)


def thread(*events: KnownEvent, **changed: Any) -> ThreadState:
    """Alice's thread after her first message and these events."""
    facts = {"at": NOW, "actor": ALICE, "thread_id": "thr_1", "agent": AGENT.name, "origin": TERMINAL}
    started = ThreadStarted.model_validate({**facts, "requester": ALICE, **changed})
    return fold(ThreadState(), [started, message("go"), *events])


def stepped(state: ThreadState, step: Step, policy: Policy, at: datetime = NOW) -> ThreadState:
    """The thread after what follows from a step."""
    fresh = moment(f"{state.version:04}", at)
    return fold(state, interpret(state, step, fresh, agent=AGENTS[state.acting], policy=policy, agents=AGENTS))


def asking_thread(ask: Ask = RELEASE, *, shown_to: Iterable[Address] = (TERMINAL,)) -> ThreadState:
    """Alice's thread that waits for the approval of a push, with its cards shown."""
    state = stepped(thread(), CallTool(tool="push", arguments={"where": "staging"}), policy_asking(ask))
    for to in shown_to:
        state = fold(state, [shown(state, to)])
    return state


def policy_asking(ask: Ask) -> Policy:
    """A house where every tool that does something asks on these terms."""
    return Policy.model_validate({"people": PEOPLE, "rules": [{"name": "all", "tool": "push", "ask": ask}]})


def shown(state: ThreadState, to: Address = TERMINAL, ref: str = "m1", key: str | None = None) -> RequestShown:
    """A channel took the card of the open request."""
    request = open_request(state)
    key = key or next((m.key for m in state.outgoing if m.to == to), f"card:{request.id}:{request.digest[:8]}:{to}")
    receipt = Receipt(ref=ref, digest="s")
    return RequestShown(at=NOW, actor=Address("channel:test"), key=key, request_id=request.id, to=to, receipt=receipt)


def taken(sent: Outgoing, at: datetime = NOW, ref: str = "m9") -> MessageSent:
    """A channel took a message."""
    receipt = Receipt(ref=ref, digest="s")
    return MessageSent(at=at, actor=Address("channel:test"), key=sent.key, to=sent.to, receipt=receipt)


def answered(
    state: ThreadState, decision: str = "approve", by: Address = BOB, edited: Edited | None = None, **said: Any
) -> ThreadState:
    """The thread after an answer to its open request."""
    request = open_request(state)
    judgement = judge(request, answer(decision, by, **said), people=PEOPLE, now=NOW, seen=request.digest, edited=edited)
    facts = {"at": NOW, "actor": by, "request_id": request.id, "answer": judgement.given, "status": judgement.status}
    return fold(state, [RequestAnswered.model_validate({**facts, **(dict(edited) if edited else {})})])


def started(state: ThreadState) -> ThreadState:
    """The thread after its call in hand was started."""
    assert state.call is not None
    attempt = state.call.attempt + 1
    event = ToolStarted(at=NOW, actor=Address("system:engine"), call_id=state.call.call_id, key="k", attempt=attempt)
    return fold(state, [event])


def open_request(state: ThreadState) -> Request:
    assert state.request is not None, "nobody is asked anything"
    return state.request
