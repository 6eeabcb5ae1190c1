"""The checker finds what it is there to find: each kind of wrong is put into a good history, and must be seen."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, update

from storage.database import connect
from storage.tables import ConversationRow, EventRow, InboxRow, OutboxRow, RequestRow, ThreadRow
from tests.crashes.checker import INVARIANTS, violations
from tests.crashes.evidence import Evidence
from tests.crashes.keepers import keeper
from tests.crashes.ledgers import Ledger, Ledgers
from tests.crashes.nursery import Nursery
from tests.crashes.people import ERRANDS, Crew, crew_of, story_of
from tests.crashes.scene import Scene
from tests.databases import DATABASES

thread, event, request, outbox, inbox, conversation = (
    kind.__table__ for kind in (ThreadRow, EventRow, RequestRow, OutboxRow, InboxRow, ConversationRow)
)
OPS, LATER = "C0OPS", datetime(2999, 1, 1, tzinfo=UTC)
PROMISED = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17}


@dataclass(frozen=True)
class History:
    """A database and its ledgers, to be corrupted."""

    url: str
    ledgers: Ledgers

    def evidence(self, before: Evidence | None = None) -> Evidence:
        return Evidence.read(self.url, self.ledgers, before)

    def change(self, *statements: Any) -> None:
        engine = connect(self.url)
        with engine.begin() as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0
        engine.dispose()

    def first(self, kind: str, **having: Any) -> Any:
        """The first event of a type whose data has these values."""
        return next(e for e in self.evidence().of_type(kind) if having.items() <= e.data.items())

    def rewrite(self, found: Any, **data: Any) -> None:
        text = json.dumps({**found.data, **data})
        self.change(update(event).where(*_is(found)).values(data=text))

    def repeat(self, found: Any, **columns: Any) -> None:
        """The event once more at the end of its log, whose row says so too."""
        seq = len(self.evidence().logs[found.thread]) + 1
        row = {"thread_id": found.thread, "type": found.type, "v": found.v, "at": found.at, "actor": found.actor}
        self.change(
            insert(event).values({**row, "data": found.text, **columns, "seq": seq}),
            update(thread).where(thread.c.id == found.thread).values(version=seq),
        )

    def enter(self, ledger: Ledger, **changed: Any) -> None:
        """The first entry once more, with changes."""
        ledger.enter(**{**ledger.entries()[0], **changed})


def _is(found: Any) -> tuple[Any, Any]:
    return event.c.thread_id == found.thread, event.c.seq == found.seq


@pytest.fixture(scope="module", params=DATABASES)
def good(request: pytest.FixtureRequest, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A history with everything in it: every errand, and a payment nobody could tell of."""
    folder = tmp_path_factory.mktemp("good")
    scene = Scene(nursery, DATABASES[request.param](folder), folder)
    lives_through(scene, [errand for errand in ERRANDS if errand != "once"])
    lives_through(scene, ["once"], "pay done")
    return scene


def lives_through(scene: Scene, errands: list[str], place: str = "") -> None:
    alice, bob = crew_of(scene, place[:3])
    scene.opens(place)
    with Crew(scene, bob) as crew:
        for order, errand in enumerate(errands):
            crew.has(story_of(errand, alice, f"{place[:3]}{order}"))
        if place:
            scene.dies(place)
            scene.opens()
        crew.comes_to_rest()
    scene.is_killed()


@pytest.fixture
def history(good: Scene, tmp_path: Path) -> History:
    """A copy, for one test to spoil."""
    for ledger in good.folder.glob("*.jsonl"):
        shutil.copy(ledger, tmp_path)
    return History(keeper(good.url).copy_at_rest(good.url, tmp_path.name), Ledgers(tmp_path))


def test_a_good_history_has_no_violation(history: History) -> None:
    evidence = history.evidence()
    assert violations(history.evidence(evidence), healed=True) == []
    assert {e.type for e in evidence.events} >= {"TimerFired", "ToolOutcomeUnknown", "ToolFailed", "RequestAnswered"}


def test_every_invariant_that_was_promised_is_among_the_checker_s(history: History) -> None:
    assert {each.number for each in INVARIANTS} == PROMISED
    assert {number for number, _, _ in SPOILED} == PROMISED - {2}


def lose_an_event(history: History) -> None:
    history.change(delete(event).where(*_is(history.first("StepChosen"))))


def count_one_too_many(history: History) -> None:
    history.change(update(thread).values(version=thread.c.version + 1))


def forget_a_name(history: History) -> None:
    history.change(delete(inbox).where(inbox.c.key.like("POST /v1/threads %-1")))


def forget_what_was_said(history: History) -> None:
    history.rewrite(history.first("MessageReceived"), text="something else")


def answer_what_is_not_there(history: History) -> None:
    history.enter(history.ledgers.answers, key="alice-of-another-day")


def say_it_again(history: History) -> None:
    said = history.first("MessageReceived")
    history.repeat(said)


def hear_without_a_name(history: History) -> None:
    said = history.first("MessageReceived")
    history.repeat(said, at=said.at + timedelta(seconds=1), data=json.dumps({**said.data, "text": "Psst."}))


def reword(history: History, kind: str, at: datetime) -> None:
    """What was said first is changed later; nobody wrote down under which name that came in."""
    said = history.first("MessageReceived")
    told = {"ref": f"{OPS}:1.1", "source": f"slack:{OPS}:1.1", **({"text": "Psst."} if kind == "MessageEdited" else {})}
    history.repeat(said, type=kind, at=at, data=json.dumps(told))


def edit_without_a_name(history: History) -> None:
    reword(history, "MessageEdited", LATER)


def delete_without_a_name(history: History) -> None:
    reword(history, "MessageDeleted", LATER)


def name_on_slack(history: History, at: datetime, *keys: str) -> None:
    rows = [{"channel": "slack", "key": key, "thread_id": history.first("StepChosen").thread, "at": at} for key in keys]
    history.change(*(insert(inbox).values(**row) for row in rows))


def name_what_nobody_said(history: History) -> None:
    name_on_slack(history, LATER, "event:T:Ev1", "message:T:C:1.1")


def say_it_on_slack(history: History) -> None:
    """The place is written down nowhere."""
    said = history.first("MessageReceived")
    begun = next(e for e in history.evidence().logs[said.thread] if e.type == "ThreadStarted")
    history.rewrite(begun, origin=f"slack:{OPS}:1.1")
    history.rewrite(said, source=f"slack:{OPS}:1.1")


def lead_elsewhere(history: History) -> None:
    row = {"channel": "slack", "place": f"T0TEAM:{OPS}:1.1", "thread_id": history.first("StepChosen").thread}
    history.change(insert(conversation).values(**row))


def keep_another_status(history: History) -> None:
    history.change(update(thread).values(status="running"))


def keep_another_state(history: History) -> None:
    worse = func.replace(thread.c.state, '"life":"done"', '"life":"failed"')
    history.change(update(thread).values(state=worse))


def approve_what_one_said(history: History) -> None:
    approved = history.first("RequestAnswered", status="approved")
    said = next(e for e in history.evidence().logs[approved.thread] if e.type == "MessageReceived")
    history.change(update(event).where(*_is(said)).values(actor=approved.actor))


def start_without_approval(history: History) -> None:
    approved = history.first("RequestAnswered", status="approved")
    history.rewrite(approved, answer={**approved.data["answer"], "counted": False})


def approve_with_less_assurance(history: History) -> None:
    approved = history.first("RequestAnswered", status="approved")
    history.rewrite(approved, answer={**approved.data["answer"], "assurance": "low"})


def pay_twice(history: History) -> None:
    history.enter(history.ledgers.deeds, **deed_of(history, "pay"))


def move_twice(history: History) -> None:
    history.enter(history.ledgers.deeds, **deed_of(history, "move"))


def ship_under_another_key(history: History) -> None:
    history.enter(history.ledgers.deeds, **{**deed_of(history, "ship"), "key": "another"})


def send_twice(history: History) -> None:
    history.enter(history.ledgers.sent)


def deed_of(history: History, tool: str) -> Any:
    return next(deed for deed in history.ledgers.deeds.entries() if deed["tool"] == tool)


def leave_a_call_without_end(history: History) -> None:
    history.rewrite(history.first("ToolSucceeded"), call_id=history.first("ToolFailed").data["call_id"])


def leave_a_message(history: History) -> None:
    row = {"thread_id": history.first("StepChosen").thread, "key": "card", "message": "{}"}
    history.change(insert(outbox).values(**row, created_at=history.first("StepChosen").at))


def leave_a_thread_at_work(history: History) -> None:
    history.change(update(thread).values(unfinished=True))


def leave_a_request_open(history: History) -> None:
    history.change(update(request).values(status="open"))


def claim_that_it_was_sent(history: History) -> None:
    history.ledgers.sent.path.unlink()


def ask_nobody(history: History) -> None:
    unknown = history.first("ToolOutcomeUnknown")
    asked = next(e for e in history.evidence().logs[unknown.thread] if e.seq == unknown.seq + 1)
    history.rewrite(asked, request={**asked.data["request"], "call_id": "another"})


def tell_nobody(history: History) -> None:
    entries = history.ledgers.sent.entries()
    history.ledgers.sent.path.unlink()
    for entry in entries:
        if "tell whether it ran" not in entry["text"]:
            history.ledgers.sent.enter(**entry)


def decide_again(history: History) -> None:
    history.repeat(history.first("RequestAnswered"))


def expire_what_was_approved(history: History) -> None:
    about = {"request_id": history.first("RequestAnswered").data["request_id"], "on_expire": "deny"}
    history.repeat(history.first("RequestAnswered"), type="RequestExpired", data=json.dumps(about))


def keep_another_decision(history: History) -> None:
    history.change(update(request).where(request.c.status == "approved").values(status="denied"))


def let_two_win(history: History) -> None:
    won = next(a for a in history.ledgers.answers.entries() if a["path"].endswith("/answer"))
    history.ledgers.answers.enter(**{**won, "key": "carol-1", "by": "carol"})


def decide_too_late(history: History) -> None:
    answered = history.first("RequestAnswered")
    history.change(update(event).where(*_is(answered)).values(at=answered.at + timedelta(days=30)))


def do_what_was_not_started(history: History) -> None:
    history.enter(history.ledgers.deeds, key="thr_1:call_1", order="unheard of")


def do_more_than_was_started(history: History) -> None:
    history.enter(history.ledgers.deeds, **deed_of(history, "look"))


def skip_an_attempt(history: History) -> None:
    history.rewrite(history.first("ToolStarted"), attempt=2)


def choose_on_an_old_log(history: History) -> None:
    chosen = history.first("StepChosen")
    history.rewrite(chosen, based_on=chosen.data["based_on"] - 1)


def fire_again(history: History) -> None:
    history.repeat(history.first("TimerFired"))


def fire_early(history: History) -> None:
    history.rewrite(history.first("TimerSet"), fires_at="2999-01-01T00:00:00Z")


def expire_early(history: History) -> None:
    expire_what_was_approved(history)


def expire_twice(history: History) -> None:
    expire_what_was_approved(history)
    expire_what_was_approved(history)


def refuse_what_was_kept(history: History) -> None:
    history.enter(history.ledgers.answers, status=422)


def end_in_two_ways(history: History) -> None:
    history.repeat(history.first("ToolSucceeded"), type="ToolFailed")


def end_what_was_never_called(history: History) -> None:
    history.repeat(history.first("ToolSucceeded"), data=json.dumps({"call_id": "call_1", "summary": "did it"}))


def answer_nobody(history: History) -> None:
    history.change(insert(inbox).values(channel="web:bob", key="k", thread_id="t", at=history.first("StepChosen").at))


SPOILED: tuple[tuple[int, str, Callable[[History], None]], ...] = (
    (1, "and holds", lose_an_event),
    (1, "and holds", count_one_too_many),
    (3, "in the inbox 0 times", forget_a_name),
    (3, "in the log 0 times", forget_what_was_said),
    (3, "in the log 2 times", say_it_again),
    (3, "in the inbox 0 times", answer_what_is_not_there),
    (4, "1 names and 0 causes", answer_nobody),
    (4, "0 names and 1 causes", hear_without_a_name),
    (4, "in the logs 2 times", say_it_again),
    (4, "0 names and 1 causes", edit_without_a_name),
    (4, "0 names and 1 causes", delete_without_a_name),
    (4, "1 names and 0 causes", name_what_nobody_said),
    (4, "does not reach", say_it_on_slack),
    (4, "which is not there", lead_elsewhere),
    (5, "folds to something else", keep_another_status),
    (5, "folds to something else", keep_another_state),
    (6, "whose words led to it", approve_what_one_said),
    (6, "approved by 0 of 1", start_without_approval),
    (6, "with less assurance", approve_with_less_assurance),
    (7, "pay (once) was done 2 times", pay_twice),
    (7, "move (verifiable) was done 2 times", move_twice),
    (7, "was done under 2 keys", ship_under_another_key),
    (7, "one process handed", send_twice),
    (8, "has no end", leave_a_call_without_end),
    (8, "still to be sent", leave_a_message),
    (8, "is at work", leave_a_thread_at_work),
    (8, "is still open", leave_a_request_open),
    (8, "never taken", claim_that_it_was_sent),
    (9, "asked about 0 times", ask_nobody),
    (9, "no card of", tell_nobody),
    (10, "and expired", expire_what_was_approved),
    (10, "ended as", decide_again),
    (10, "is kept as denied", keep_another_decision),
    (10, "is kept as open", leave_a_request_open),
    (10, "2 people were told", let_two_win),
    (11, "and was decided at", decide_too_late),
    (13, "started 0 times", do_what_was_not_started),
    (13, "was done 2 times and started 1 times", do_more_than_was_started),
    (13, "was started as [2]", skip_an_attempt),
    (13, "was chosen when", choose_on_an_old_log),
    (15, "fired twice", fire_again),
    (15, "fired early", fire_early),
    (15, "expired early", expire_early),
    (15, "came 2 times", expire_twice),
    (17, "kept all the same", refuse_what_was_kept),
    (17, "ended as done and failed", end_in_two_ways),
    (17, "never made", end_what_was_never_called),
    (17, "nobody was told", answer_nobody),
)


@pytest.mark.parametrize(("number", "words", "spoil"), SPOILED, ids=[f"{n} {s.__name__}" for n, _, s in SPOILED])
def test_what_is_wrong_is_found(number: int, words: str, spoil: Callable[[History], None], history: History) -> None:
    spoil(history)
    found = [told for told in violations(history.evidence(), healed=True) if told.startswith(f"no. {number},")]
    assert any(words in told for told in found), found


def test_what_came_in_on_slack_may_have_several_names(history: History) -> None:
    edit_without_a_name(history)
    name_on_slack(history, LATER, "event:T:Ev1", f"edit:T:{OPS}:1.1:2.2")
    assert "no. 4," not in " ".join(violations(history.evidence(), healed=True))


def test_a_change_that_was_passed_over_leaves_its_names_and_nothing_else(history: History) -> None:
    name_on_slack(history, history.first("ThreadFinished").at, "event:T:Ev1", f"delete:T:{OPS}:1.1")
    assert violations(history.evidence(), healed=True) == []


@pytest.mark.parametrize("spoil", [lose_an_event, forget_what_was_said])
def test_a_log_that_is_not_what_it_was_is_found(spoil: Callable[[History], None], history: History) -> None:
    before = history.evidence()
    spoil(history)
    assert "no. 2," in " ".join(violations(history.evidence(before), healed=False))


def test_what_only_time_can_heal_is_no_violation_before(history: History) -> None:
    leave_a_message(history)
    assert violations(history.evidence(), healed=False) == []
    assert violations(history.evidence(), healed=True) != []
