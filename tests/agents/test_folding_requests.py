"""Folding requests: one record however many cards show it, and every card tells how it ended."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.addresses import Address
from agents.cards import card_of
from agents.deciders import with_names
from agents.effects import SendMessage
from agents.events import (
    BudgetExtended,
    MessageSent,
    MessageUndeliverable,
    ReplyChosen,
    RequestAnswered,
    RequestEscalated,
    RequestExpired,
    RequestReminded,
    RequestShown,
    RequestSuperseded,
    ThreadCancelled,
)
from agents.explaining import who_decides
from agents.judge import Edited, judge
from agents.messages import Begun, Receipt
from agents.next_step import messages, work
from agents.opening import OUTCOMES, ask_for_budget, ask_for_help, ask_question, ask_what_happened
from agents.policy import Ask, Policy, Rule
from agents.reducer import fold
from agents.requests import Request
from agents.state import Outgoing, ThreadState
from agents.steps import CallTool, RequestHumanInput
from tests.agents.samples import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    PEOPLE,
    PHONE,
    RELEASE,
    TERMINAL,
    after,
    answer,
    answered,
    asking_thread,
    message,
    moment,
    open_request,
    shown,
    started,
    stepped,
    taken,
    terms,
    thread,
)

TWO = Ask(roles=("release",), quorum=2)
CLOCK = Address("system:clock")


def named(state: ThreadState, request_id: str) -> Request:
    request = state.request_named(request_id)
    assert request is not None
    return request


def edited(where: str = "production", ask: Ask = TWO) -> Edited:
    return Edited(arguments={"where": where}, digest="e" * 64, policy=terms(ask))


def superseded(state: ThreadState) -> RequestSuperseded:
    return RequestSuperseded(at=NOW, actor=ALICE, request_id=open_request(state).id, reason="new instruction")


def reminded(state: ThreadState, nth: int = 1) -> ThreadState:
    return fold(state, [RequestReminded(at=NOW, actor=CLOCK, request_id=open_request(state).id, nth=nth)])


def escalated(state: ThreadState, *to: Address, nth: int = 1) -> ThreadState:
    return fold(state, [RequestEscalated(at=NOW, actor=CLOCK, request_id=open_request(state).id, nth=nth, to=to)])


def delivered(state: ThreadState, *refs: str) -> ThreadState:
    """All cards on their way are taken, in order, each as a message of its own."""
    for sent, ref in zip(state.outgoing, refs, strict=True):
        state = fold(state, [shown(state, sent.to, ref, sent.key)])
    return state


def corrections(state: ThreadState) -> list[tuple[Address, str | None]]:
    """Where the ending is on its way to, and which message it takes the place of."""
    assert all(sent.message.card and sent.message.card.status != "open" for sent in state.outgoing)
    return [(sent.to, sent.replacing.ref if sent.replacing else None) for sent in state.outgoing]


# Opening and showing


def test_a_request_is_shown_where_the_thread_came_from() -> None:
    state = asking_thread(shown_to=())
    request = open_request(state)
    (sent,) = state.outgoing
    assert (sent.to, sent.request_id, sent.message, sent.replacing) == (TERMINAL, request.id, card_of(request), None)


def test_a_card_that_was_shown_is_known_with_its_receipt() -> None:
    state = asking_thread()
    (card,) = open_request(state).cards
    assert (card.address, card.state, card.receipt.ref, card.shown_at) == (TERMINAL, "open", "m1", NOW)
    assert state.outgoing == ()


def test_a_card_shown_twice_is_one_card() -> None:
    state = asking_thread()
    again = fold(state, [shown(state)])
    assert open_request(again).cards == open_request(state).cards


def test_a_card_nobody_could_deliver_leaves_the_request_open() -> None:
    state = asking_thread(shown_to=())
    (sent,) = state.outgoing
    gone = MessageUndeliverable(at=NOW, actor=Address("channel:test"), key=sent.key, to=sent.to, reason="gone")
    state = fold(state, [gone])
    assert (state.status, state.outgoing, open_request(state).cards) == ("waiting_for_human", (), ())
    assert answered(state).status == "running"


# Reminders and escalations


def test_a_reminder_is_a_card_of_its_own_in_the_same_place() -> None:
    state = delivered(reminded(asking_thread()), "m2")
    assert [(c.address, c.receipt.ref) for c in open_request(state).cards] == [(TERMINAL, "m1"), (TERMINAL, "m2")]


def test_an_escalation_shows_the_same_request_elsewhere_as_well() -> None:
    state = delivered(escalated(asking_thread(), PHONE, Address("slack:C0OPS")), "p1", "s1")
    request = open_request(state)
    assert request.escalated == 1
    assert [c.address for c in request.cards] == [TERMINAL, PHONE, "slack:C0OPS"]


def test_every_card_tells_the_ending_also_the_one_before_the_reminder() -> None:
    state = delivered(escalated(reminded(asking_thread()), PHONE), "m2", "p1")
    assert corrections(answered(state)) == [(TERMINAL, "m1"), (TERMINAL, "m2"), (PHONE, "p1")]


def test_all_that_is_to_be_sent_has_a_key_of_its_own() -> None:
    state = delivered(escalated(reminded(reminded(asking_thread()), 2), PHONE), "m2", "m3", "p1")
    for ended in (answered(state), answered(asking_again(state)), fold(state, [superseded(state)])):
        keys = [sent.key for sent in ended.outgoing]
        assert len(set(keys)) == len(keys)


# Endings


def ended(state: ThreadState, how: str) -> ThreadState:
    request_id = open_request(state).id
    match how:
        case "approved":
            return answered(state)
        case "denied":
            return answered(state, "deny")
        case "superseded":
            return fold(state, [superseded(state)])
        case "expired":
            expired = RequestExpired(at=NOW, actor=CLOCK, request_id=request_id, on_expire="deny")
            return fold(state, [expired])
        case _:
            return fold(state, [ThreadCancelled(at=NOW, actor=ALICE, reason="enough")])


HOWS = ["approved", "denied", "superseded", "expired", "cancelled"]


@pytest.mark.parametrize("how", HOWS)
def test_a_request_that_ends_is_corrected_on_every_card_and_then_forgotten(how: str) -> None:
    state = ended(asking_thread(shown_to=(TERMINAL, PHONE)), how)
    (request,) = state.requests
    assert (request.status, request.settled_at, state.request) == (how, NOW, None)
    assert [sent.message.card.status for sent in state.outgoing if sent.message.card] == [how, how]
    for sent in state.outgoing:
        state = fold(state, [taken(sent, after(1))])
        (request,) = state.requests
    assert [(card.state, card.settled_at) for card in request.cards] == [(how, after(1)), (how, after(1))]
    assert fold(state, [message("and now?")] if how != "cancelled" else []).outgoing == ()


@pytest.mark.parametrize("how", HOWS)
def test_a_card_that_arrives_after_the_ending_is_corrected(how: str) -> None:
    open_ = asking_thread(shown_to=())
    late = shown(open_)
    state = fold(ended(open_, how), [late])
    assert corrections(state) == [(TERMINAL, "m1")]
    (sent,) = state.outgoing
    assert [card.state for card in fold(state, [taken(sent)]).requests[0].cards] == [how]


def test_a_correction_nobody_could_deliver_leaves_its_card_as_it_is() -> None:
    state = answered(asking_thread())
    (sent,) = state.outgoing
    gone = MessageUndeliverable(at=NOW, actor=Address("channel:test"), key=sent.key, to=sent.to, reason="gone")
    (request,) = fold(state, [gone]).requests
    assert [(card.state, card.settled_at) for card in request.cards] == [("open", None)]


def test_a_correction_settles_the_card_it_replaced_and_no_other() -> None:
    state = answered(delivered(reminded(asking_thread()), "m2"))
    first, _ = state.outgoing
    (request,) = fold(state, [taken(first)]).requests
    assert [(card.receipt.ref, card.state) for card in request.cards] == [("m1", "approved"), ("m2", "open")]


def test_a_settled_request_is_kept_only_while_a_message_about_it_is_on_its_way() -> None:
    state = answered(asking_thread())
    assert len(fold(state, [message("well?")]).requests) == 1
    (sent,) = state.outgoing
    assert fold(state, [taken(sent), message("well?")]).requests == ()


@pytest.mark.parametrize("how", HOWS)
def test_a_card_told_twice_is_corrected_once(how: str) -> None:
    asking = asking_thread()
    state = fold(ended(asking, how), [shown(asking), shown(asking)])
    assert corrections(state) == [(TERMINAL, "m1")]


# Approvals


def test_an_approval_makes_its_call_ready_with_the_names_of_those_who_gave_it() -> None:
    state = answered(answered(asking_thread(TWO)), by=CAROL)
    assert state.call is not None
    assert (state.call.phase, [given.by for given in state.call.approvals]) == ("ready", [BOB, CAROL])
    assert state.status == "running"
    assert len(work(state)) == 1


def test_the_first_of_two_approvals_leaves_everything_waiting() -> None:
    state = answered(asking_thread(TWO))
    assert (state.status, open_request(state).approvers, work(state)) == ("waiting_for_human", (BOB,), ())


def progress_on_its_way(state: ThreadState) -> list[tuple[Address, str | None, str]]:
    """Which open cards are on their way, what they take the place of, and how many approvals they tell."""
    cards = [(sent, sent.message.card) for sent in state.outgoing if sent.message.card]
    return [
        (sent.to, sent.replacing.ref if sent.replacing else None, card.explanation.progress) for sent, card in cards
    ]


def test_one_approval_of_two_is_told_once_on_every_card() -> None:
    state = answered(asking_thread(TWO, shown_to=(TERMINAL, PHONE)))
    assert progress_on_its_way(state) == [(TERMINAL, "m1", "1 of 2 so far: bob"), (PHONE, "m1", "1 of 2 so far: bob")]
    state = delivered(state, "m1", "m1")
    assert (state.outgoing, len(open_request(state).cards)) == ((), 2)


def test_a_card_shown_after_the_first_of_two_approvals_is_corrected() -> None:
    asking = asking_thread(TWO, shown_to=())
    late = shown(asking)
    assert progress_on_its_way(fold(answered(asking), [late])) == [(TERMINAL, "m1", "1 of 2 so far: bob")]


def test_an_answer_that_does_not_count_changes_no_card() -> None:
    assert answered(asking_thread(TWO), by=ALICE).outgoing == ()


def test_an_approval_after_an_edit_is_told_on_the_edited_card() -> None:
    three = Ask(roles=("release",), quorum=3)
    state = delivered(answered(asking_thread(three), "edit", edited=edited(ask=three)), "m1")
    state = answered(state, by=CAROL)
    assert progress_on_its_way(state) == [(TERMINAL, "m1", "2 of 3 so far: bob, carol")]


def test_an_edit_that_others_must_decide_names_them() -> None:
    state = asking_thread(TWO)
    judged = judge(open_request(state), answer("edit"), people=PEOPLE, now=NOW, edited=edited(ask=RELEASE))
    event = RequestAnswered(
        at=NOW,
        actor=BOB,
        request_id=open_request(state).id,
        answer=judged.given,
        status="open",
        arguments={"where": "production"},
        digest="e" * 64,
        policy=terms(Ask(roles=("oncall",), quorum=2)),
    )
    named_event = with_names(event, PEOPLE, open_request(state))
    assert who_decides(open_request(fold(state, [named_event]))) == "oncall (Carol)"


def test_an_answer_that_does_not_count_is_kept_and_changes_nothing() -> None:
    state = answered(asking_thread(), by=ALICE)
    assert [a.counted for a in open_request(state).answers] == [False]
    assert (state.status, work(state)) == ("waiting_for_human", ())


@pytest.mark.parametrize("how", ["denied", "superseded", "expired"])
def test_without_an_approval_the_call_is_dropped_and_the_model_goes_on(how: str) -> None:
    state = ended(asking_thread(), how)
    assert (state.call, state.models_turn, state.status) == (None, True, "running")


def test_a_denial_is_no_failure_of_the_tool() -> None:
    assert ended(asking_thread(), "denied").failures == 0


def test_a_comment_while_an_approval_is_open_is_kept_and_wakes_nobody() -> None:
    state = fold(asking_thread(), [message("looks good to me")])
    assert (state.status, work(state), state.models_turn) == ("waiting_for_human", (), False)
    assert state.recent[-1].type == "MessageReceived"
    assert open_request(state).approvers == ()


def test_a_new_instruction_wakes_the_model_with_the_call_dropped() -> None:
    asking = asking_thread()
    state = fold(asking, [superseded(asking), message("ship elsewhere")])
    assert (state.status, state.call, state.models_turn) == ("running", None, True)
    assert len(work(state)) == 1


# Edits


def asking_again(state: ThreadState, where: str = "production") -> ThreadState:
    """The thread after an edit that leaves the request open: it now takes two."""
    return answered(state, "edit", edited=edited(where), arguments={"where": where})


def test_an_edit_asks_again_on_every_card() -> None:
    state = asking_again(asking_thread(shown_to=(TERMINAL, PHONE)))
    request = open_request(state)
    assert (request.arguments, request.digest, request.ask) == ({"where": "production"}, "e" * 64, TWO)
    assert [(m.to, m.replacing and m.replacing.ref) for m in state.outgoing] == [(TERMINAL, "m1"), (PHONE, "m1")]
    assert all("where: production" in m.message.text for m in state.outgoing)


def test_an_edit_rewrites_the_call_in_hand_and_counts_as_the_editors_approval() -> None:
    state = asking_again(asking_thread())
    assert state.call is not None
    assert (state.call.arguments, state.call.digest, state.call.phase) == ({"where": "production"}, "e" * 64, "asked")
    assert open_request(state).approvers == (BOB,)
    approved = answered(state, by=CAROL)
    assert approved.call is not None
    assert (approved.call.arguments, approved.call.digest) == ({"where": "production"}, "e" * 64)
    assert [given.by for given in approved.call.approvals] == [BOB, CAROL]


def test_an_edit_that_is_enough_makes_the_new_call_ready() -> None:
    new = edited(ask=RELEASE)
    state = answered(asking_thread(), "edit", edited=new, arguments=new.arguments)
    assert state.call is not None
    assert (state.call.phase, state.call.arguments, state.call.digest) == ("ready", new.arguments, new.digest)


def test_earlier_approvals_lapse_with_an_edit_and_say_why() -> None:
    state = asking_again(answered(asking_thread(TWO), by=CAROL))
    before, edit = open_request(state).answers
    assert (before.by, before.counted, before.reason) == (CAROL, False, "the arguments were edited")
    assert (edit.by, edit.counted) == (BOB, True)


def test_a_card_of_the_old_arguments_that_arrives_after_the_edit_is_asked_again() -> None:
    asking = asking_thread(shown_to=())
    late = shown(asking)
    state = fold(asking_again(asking), [late])
    assert [(m.to, m.replacing and m.replacing.ref) for m in state.outgoing] == [(TERMINAL, "m1")]
    assert "where: production" in state.outgoing[0].message.text


def test_a_card_that_took_the_place_of_another_is_the_one_that_counts() -> None:
    state = delivered(asking_again(asking_thread()), "m2")
    assert [c.receipt.ref for c in open_request(state).cards] == ["m2"]
    again = delivered(
        answered(state, "edit", by=CAROL, edited=edited("mars").model_copy(update={"digest": "f" * 64})), "m3"
    )
    assert [c.receipt.ref for c in open_request(again).cards] == ["m3"]


def test_a_card_edited_in_its_place_stays_one_card() -> None:
    state = delivered(asking_again(asking_thread()), "m1")
    assert [c.receipt.ref for c in open_request(state).cards] == ["m1"]


def test_of_two_corrections_of_one_card_the_last_is_enough() -> None:
    again = asking_again(asking_thread(shown_to=(TERMINAL, PHONE)))
    state = answered(again, "deny", by=CAROL)
    assert [(m.to, m.message.card and m.message.card.status) for m in state.outgoing] == [
        (TERMINAL, "denied"),
        (PHONE, "denied"),
    ]


# Questions and outcomes


def asking(event: Any, state: ThreadState | None = None) -> ThreadState:
    return fold(state or thread(), [event])


def test_an_answered_question_lets_the_model_go_on() -> None:
    state = asking(ask_question(thread(), RequestHumanInput(question="Where?"), moment()))
    assert (state.status, state.models_turn) == ("waiting_for_human", False)
    state = answered(state, "answer", text="there")
    assert (state.status, state.models_turn) == ("running", True)


def test_an_answered_handover_forgives_all_failures() -> None:
    stuck = thread().model_copy(update={"failures": 3, "repairs": 3, "retries": 6, "retry_at": after(60)})
    state = answered(asking(ask_for_help(stuck, "Stuck.", moment()), stuck), "answer", text="try again")
    assert (state.failures, state.repairs, state.retries, state.retry_at) == (0, 0, 0, None)
    assert [type(effect).__name__ for effect in work(state)] == ["CallModel"]


FREE = Policy(people=PEOPLE, rules=(Rule(name="free", tool="*"),))


def in_doubt() -> ThreadState:
    """A call was started and nobody can tell whether it ran."""
    state = started(stepped(thread(), CallTool(tool="push", arguments={"where": "staging"}), FREE))
    assert state.call is not None
    return asking(ask_what_happened(state, state.call, moment("9")), state.model_copy(update={"call": asked(state)}))


def asked(state: ThreadState) -> Any:
    assert state.call is not None
    return state.call.model_copy(update={"phase": "asked"})


def test_an_outcome_nobody_knows_waits_for_a_person() -> None:
    state = in_doubt()
    assert (state.status, work(state), open_request(state).choices) == ("waiting_for_human", (), OUTCOMES)


@pytest.mark.parametrize("text", ["ran", "did not run"])
def test_what_a_person_saw_is_told_to_the_model_and_nothing_runs(text: str) -> None:
    state = answered(in_doubt(), "answer", text=text)
    assert (state.call, state.models_turn, state.status) == (None, True, "running")


def test_a_person_may_let_the_call_run_again_with_the_same_id_as_another_attempt() -> None:
    before = in_doubt()
    state = answered(before, "answer", text="run again")
    (effect,) = work(state)
    assert state.call is not None
    assert before.call is not None
    assert (state.call.phase, state.call.call_id) == ("ready", before.call.call_id)
    assert effect.key == f"tool:{state.call.call_id}:2"


def test_an_outcome_nobody_told_in_time_lets_the_model_go_on_without_the_call() -> None:
    state = ended(in_doubt(), "expired")
    assert (state.call, state.models_turn) == (None, True)


# Budgets


def test_more_budget_lets_the_model_go_on() -> None:
    spent = thread(budget={"steps": 3}).model_copy(update={"models_turn": False})
    state = asking(ask_for_budget(spent, "steps", Policy(people=PEOPLE), moment()), spent)
    state = answered(state)
    assert state.budget.steps == 3
    state = fold(state, [BudgetExtended(at=NOW, actor=BOB, kind="steps", by=3)])
    assert (state.budget.steps, state.models_turn, state.status) == (6, True, "running")


def test_a_message_that_is_taken_is_no_longer_wanted() -> None:
    state = asking_thread(shown_to=())
    (wanted,) = messages(state)
    assert isinstance(wanted, SendMessage)
    (sent,) = state.outgoing
    assert messages(fold(state, [taken(sent)])) == ()


def test_a_receipt_of_something_nobody_waits_for_changes_nothing() -> None:
    state = asking_thread()
    stray = Outgoing(
        key="stray", to=PHONE, message=card_of(open_request(state)), replacing=Receipt(ref="x", digest="y")
    )
    assert fold(state, [taken(stray)]).requests == state.requests


# Whatever happens to the cards of a request, in whatever order


MOVES = ["deliver", "deliver", "deliver in place", "remind", "escalate", "edit", "told twice"]
MOST_MESSAGES = 500


class Screens:
    """What people see: each message, and whether it still asks. A channel may edit in place or post anew."""

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.asks: dict[tuple[Address, str], bool] = {}
        self.told: list[RequestShown | MessageSent] = []

    def deliver(self, sent: Outgoing, *, in_place: bool) -> None:
        before = sent.replacing
        ref = before.ref if before and in_place else f"m{len(self.told)}"
        if before:
            self.asks.pop((sent.to, before.ref), None)
        card = sent.message.card
        assert card is not None
        self.asks[sent.to, ref] = card.status == "open"
        self.tell(shown_as(sent, card.request_id, ref) if card.status == "open" else taken(sent, ref=ref))

    def tell(self, event: RequestShown | MessageSent) -> None:
        self.told.append(event)
        self.state = fold(self.state, [event])

    def ask_again(self, how: str, nth: int) -> None:
        match how:
            case "remind":
                self.state = reminded(self.state, nth)
            case "escalate":
                self.state = escalated(self.state, PHONE, nth=nth)
            case _:
                new = edited(f"place {nth}").model_copy(update={"digest": f"{nth:x}" * 64})
                self.state = answered(self.state, "edit", edited=new, arguments=new.arguments)

    def settle(self) -> None:
        """The request ends, and all that is on its way arrives, now in place and now anew."""
        self.state = answered(self.state, "deny")
        while self.state.outgoing and len(self.told) < MOST_MESSAGES:
            self.deliver(self.state.outgoing[0], in_place=len(self.told) % 2 == 0)


def shown_as(sent: Outgoing, request_id: str, ref: str) -> RequestShown:
    facts = {"at": NOW, "actor": Address("channel:test"), "key": sent.key, "request_id": request_id, "to": sent.to}
    return RequestShown(**facts, receipt=Receipt(ref=ref, digest="s"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(MOVES), max_size=12), st.data())
def test_when_all_is_delivered_no_screen_still_asks(moves: list[str], data: st.DataObject) -> None:
    screens = Screens(asking_thread(TWO, shown_to=()))
    for nth, move in enumerate(moves, 1):
        waiting = screens.state.outgoing
        if move in ("remind", "escalate", "edit"):
            screens.ask_again(move, nth)
        elif move == "told twice" and screens.told:
            screens.tell(data.draw(st.sampled_from(screens.told)))
        elif waiting:
            screens.deliver(data.draw(st.sampled_from(waiting)), in_place=move == "deliver in place")
        assert len({sent.key for sent in screens.state.outgoing}) == len(screens.state.outgoing)
    screens.settle()
    assert screens.state.outgoing == ()
    assert screens.asks
    assert not any(screens.asks.values())


@pytest.mark.parametrize(
    "event",
    [
        RequestReminded(at=NOW, actor=CLOCK, request_id="req_none", nth=1),
        RequestEscalated(at=NOW, actor=CLOCK, request_id="req_none", nth=1, to=()),
        RequestExpired(at=NOW, actor=CLOCK, request_id="req_none", on_expire="deny"),
        RequestExpired(at=NOW, actor=CLOCK, request_id="req_none", on_expire="hold"),
        RequestSuperseded(at=NOW, actor=CLOCK, request_id="req_none", reason="never asked"),
    ],
)
def test_what_a_log_says_of_a_request_that_was_never_opened_changes_nothing(event: Any) -> None:
    state = asking_thread()
    after_it = fold(state, [event])
    assert after_it.requests == state.requests
    assert (after_it.status, after_it.outgoing) == (state.status, state.outgoing)


# Conversations that begin outside


CHANNEL = Address("slack:C0OPS")
BEGUN = Begun(address=Address("slack:C0OPS:17.1"), place="T1:C0OPS:17.1")


def asked_in_a_channel() -> ThreadState:
    return asking_thread(shown_to=()).model_copy(update={"origin": CHANNEL})


def test_what_follows_goes_where_the_first_message_began_a_conversation() -> None:
    first = ReplyChosen(at=NOW, actor=BOB, text="one")
    second = first.model_copy(update={"text": "two"})
    state = fold(asked_in_a_channel().model_copy(update={"outgoing": ()}), [first, second])
    one, two = state.outgoing
    receipt = Receipt(ref="C0OPS:17.1", digest="d", begun=BEGUN)
    state = fold(state, [MessageSent(at=NOW, actor=BOB, key=one.key, to=one.to, receipt=receipt)])
    assert state.origin == BEGUN.address
    (moved,) = state.outgoing
    assert (moved.to, moved.message) == (BEGUN.address, two.message)
    assert moved.key != two.key


def test_a_card_that_begins_a_conversation_elsewhere_leaves_the_origin_as_it_is() -> None:
    state = asking_thread(shown_to=())
    (card,) = state.outgoing
    receipt = Receipt(ref="D1:17.1", digest="d", begun=BEGUN)
    elsewhere = state.model_copy(update={"outgoing": (card.model_copy(update={"to": PHONE}),)})
    shown_there = RequestShown(at=NOW, actor=BOB, key=card.key, request_id="req_1", to=PHONE, receipt=receipt)
    assert fold(elsewhere, [shown_there]).origin == TERMINAL
