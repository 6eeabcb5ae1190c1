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

from storage.database import create_database_engine
from storage.tables import ConversationRow, EventRow, InboxRow, OutboxRow, RequestRow, ThreadRow
from tests.crashes.checker import INVARIANTS, find_violations
from tests.crashes.database_admin import database_admin
from tests.crashes.journals import Journal, Journals
from tests.crashes.process_pool import ProcessPool
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import TASKS, ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import SystemSnapshot
from tests.databases import DATABASES

thread, event, request, outbox, inbox, conversation = (
    kind.__table__ for kind in (ThreadRow, EventRow, RequestRow, OutboxRow, InboxRow, ConversationRow)
)
OPS, LATER = "C0OPS", datetime(2999, 1, 1, tzinfo=UTC)
PROMISED = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17}


@dataclass(frozen=True)
class EditableHistory:
    """A database and its ledgers, to be corrupted."""

    url: str
    journals: Journals

    def take_snapshot(self, earlier: SystemSnapshot | None = None) -> SystemSnapshot:
        return SystemSnapshot.take(self.url, self.journals, earlier)

    def change(self, *statements: Any) -> None:
        engine = create_database_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0
        engine.dispose()

    def first(self, kind: str, **having: Any) -> Any:
        """The first event of a type whose data has these values."""
        return next(e for e in self.take_snapshot().of_type(kind) if having.items() <= e.data.items())

    def rewrite(self, found: Any, **data: Any) -> None:
        text = json.dumps({**found.data, **data})
        self.change(update(event).where(*_is(found)).values(data=text))

    def repeat(self, found: Any, **columns: Any) -> None:
        """The event once more at the end of its log, whose row says so too."""
        seq = len(self.take_snapshot().logs[found.thread_id]) + 1
        row = {
            "thread_id": found.thread_id,
            "type": found.type,
            "v": found.type_version,
            "at": found.at,
            "actor": found.actor,
        }
        self.change(
            insert(event).values({**row, "data": found.data_json, **columns, "seq": seq}),
            update(thread).where(thread.c.id == found.thread_id).values(version=seq),
        )

    def enter(self, ledger: Journal, **changed: Any) -> None:
        """The first entry once more, with changes."""
        ledger.append(**{**ledger.read_entries()[0], **changed})


def _is(found: Any) -> tuple[Any, Any]:
    return event.c.thread_id == found.thread_id, event.c.seq == found.seq


@pytest.fixture(scope="module", params=DATABASES)
def complete_scenario(
    request: pytest.FixtureRequest, process_pool: ProcessPool, tmp_path_factory: pytest.TempPathFactory
) -> CrashScenario:
    """A history with everything in it: every errand, and a payment nobody could tell of."""
    folder = tmp_path_factory.mktemp("good")
    scene = CrashScenario(process_pool, DATABASES[request.param](folder), folder)
    lives_through(scene, [errand for errand in TASKS if errand != "once"])
    lives_through(scene, ["once"], "pay done")
    return scene


def lives_through(scenario: CrashScenario, errands: list[str], place: str = "") -> None:
    alice, bob = requester_and_responder(scenario, place[:3])
    scenario.start(place)
    with ConcurrentUsers(scenario, bob) as users:
        for order, errand in enumerate(errands):
            users.start_task(task_function(errand, alice, f"{place[:3]}{order}"))
        if place:
            scenario.wait_for_kill(place)
            scenario.start()
        users.wait_until_idle()
    scenario.kill()


@pytest.fixture
def history(complete_scenario: CrashScenario, tmp_path: Path) -> EditableHistory:
    """A copy, for one test to spoil."""
    for ledger in complete_scenario.folder.glob("*.jsonl"):
        shutil.copy(ledger, tmp_path)
    return EditableHistory(
        database_admin(complete_scenario.url).copy_idle(complete_scenario.url, tmp_path.name), Journals(tmp_path)
    )


def test_complete_history_has_no_violation(history: EditableHistory) -> None:
    snapshot = history.take_snapshot()
    assert find_violations(history.take_snapshot(snapshot), is_settled=True) == []
    assert {e.type for e in snapshot.events} >= {"TimerFired", "ToolOutcomeUnknown", "ToolFailed", "RequestAnswered"}


def test_checker_has_all_promised_invariants(history: EditableHistory) -> None:
    assert {each.number for each in INVARIANTS} == PROMISED
    assert {number for number, _, _ in SPOILED} == PROMISED - {2}


def lose_an_event(history: EditableHistory) -> None:
    history.change(delete(event).where(*_is(history.first("StepChosen"))))


def count_one_too_many(history: EditableHistory) -> None:
    history.change(update(thread).values(version=thread.c.version + 1))


def forget_a_name(history: EditableHistory) -> None:
    history.change(delete(inbox).where(inbox.c.key.like("POST /v1/threads %-1")))


def forget_what_was_said(history: EditableHistory) -> None:
    history.rewrite(history.first("MessageReceived"), text="something else")


def answer_what_is_not_there(history: EditableHistory) -> None:
    history.enter(history.journals.http_responses, key="alice-of-another-day")


def say_it_again(history: EditableHistory) -> None:
    said = history.first("MessageReceived")
    history.repeat(said)


def hear_without_a_name(history: EditableHistory) -> None:
    said = history.first("MessageReceived")
    history.repeat(said, at=said.at + timedelta(seconds=1), data=json.dumps({**said.data, "text": "Psst."}))


def reword(history: EditableHistory, kind: str, at: datetime) -> None:
    """What was said first is changed later; nobody wrote down under which name that came in."""
    said = history.first("MessageReceived")
    told = {"ref": f"{OPS}:1.1", "source": f"slack:{OPS}:1.1", **({"text": "Psst."} if kind == "MessageEdited" else {})}
    history.repeat(said, type=kind, at=at, data=json.dumps(told))


def edit_without_a_name(history: EditableHistory) -> None:
    reword(history, "MessageEdited", LATER)


def delete_without_a_name(history: EditableHistory) -> None:
    reword(history, "MessageDeleted", LATER)


def name_on_slack(history: EditableHistory, at: datetime, *keys: str) -> None:
    rows = [
        {"channel": "slack", "key": key, "thread_id": history.first("StepChosen").thread_id, "at": at} for key in keys
    ]
    history.change(*(insert(inbox).values(**row) for row in rows))


def name_what_nobody_said(history: EditableHistory) -> None:
    name_on_slack(history, LATER, "event:T:Ev1", "message:T:C:1.1")


def say_it_on_slack(history: EditableHistory) -> None:
    """The place is written down nowhere."""
    said = history.first("MessageReceived")
    begun = next(e for e in history.take_snapshot().logs[said.thread_id] if e.type == "ThreadStarted")
    history.rewrite(begun, origin=f"slack:{OPS}:1.1")
    history.rewrite(said, source=f"slack:{OPS}:1.1")


def lead_elsewhere(history: EditableHistory) -> None:
    row = {"channel": "slack", "place": f"T0TEAM:{OPS}:1.1", "thread_id": history.first("StepChosen").thread_id}
    history.change(insert(conversation).values(**row))


def keep_another_status(history: EditableHistory) -> None:
    history.change(update(thread).values(status="running"))


def keep_another_state(history: EditableHistory) -> None:
    worse = func.replace(thread.c.state, '"lifecycle":"done"', '"lifecycle":"failed"')
    history.change(update(thread).values(state=worse))


def approve_what_one_said(history: EditableHistory) -> None:
    approved = history.first("RequestAnswered", status="approved")
    said = next(e for e in history.take_snapshot().logs[approved.thread_id] if e.type == "MessageReceived")
    history.change(update(event).where(*_is(said)).values(actor=approved.actor))


def start_without_approval(history: EditableHistory) -> None:
    approved = history.first("RequestAnswered", status="approved")
    history.rewrite(approved, answer={**approved.data["answer"], "counted": False})


def approve_with_less_assurance(history: EditableHistory) -> None:
    approved = history.first("RequestAnswered", status="approved")
    history.rewrite(approved, answer={**approved.data["answer"], "assurance": "low"})


def pay_twice(history: EditableHistory) -> None:
    history.enter(history.journals.side_effects, **deed_of(history, "pay"))


def move_twice(history: EditableHistory) -> None:
    history.enter(history.journals.side_effects, **deed_of(history, "move"))


def ship_under_another_key(history: EditableHistory) -> None:
    history.enter(history.journals.side_effects, **{**deed_of(history, "ship"), "key": "another"})


def send_twice(history: EditableHistory) -> None:
    history.enter(history.journals.sent_messages)


def deed_of(history: EditableHistory, tool: str) -> Any:
    return next(deed for deed in history.journals.side_effects.read_entries() if deed["tool"] == tool)


def leave_a_call_without_end(history: EditableHistory) -> None:
    history.rewrite(history.first("ToolSucceeded"), call_id=history.first("ToolFailed").data["call_id"])


def leave_a_message(history: EditableHistory) -> None:
    row = {"thread_id": history.first("StepChosen").thread_id, "key": "card", "message": "{}"}
    history.change(insert(outbox).values(**row, created_at=history.first("StepChosen").at))


def leave_a_thread_at_work(history: EditableHistory) -> None:
    history.change(update(thread).values(unfinished=True))


def leave_a_request_open(history: EditableHistory) -> None:
    history.change(update(request).values(status="open"))


def claim_that_it_was_sent(history: EditableHistory) -> None:
    history.journals.sent_messages.path.unlink()


def ask_nobody(history: EditableHistory) -> None:
    unknown = history.first("ToolOutcomeUnknown")
    asked = next(e for e in history.take_snapshot().logs[unknown.thread_id] if e.seq == unknown.seq + 1)
    history.rewrite(asked, request={**asked.data["request"], "call_id": "another"})


def tell_nobody(history: EditableHistory) -> None:
    entries = history.journals.sent_messages.read_entries()
    history.journals.sent_messages.path.unlink()
    for entry in entries:
        if "tell whether it ran" not in entry["text"]:
            history.journals.sent_messages.append(**entry)


def decide_again(history: EditableHistory) -> None:
    history.repeat(history.first("RequestAnswered"))


def expire_what_was_approved(history: EditableHistory) -> None:
    about = {"request_id": history.first("RequestAnswered").data["request_id"], "on_expire": "deny"}
    history.repeat(history.first("RequestAnswered"), type="RequestExpired", data=json.dumps(about))


def keep_another_decision(history: EditableHistory) -> None:
    history.change(update(request).where(request.c.status == "approved").values(status="denied"))


def let_two_win(history: EditableHistory) -> None:
    won = next(a for a in history.journals.http_responses.read_entries() if a["path"].endswith("/answer"))
    history.journals.http_responses.append(**{**won, "key": "carol-1", "by": "carol"})


def decide_too_late(history: EditableHistory) -> None:
    answered = history.first("RequestAnswered")
    history.change(update(event).where(*_is(answered)).values(at=answered.at + timedelta(days=30)))


def do_what_was_not_started(history: EditableHistory) -> None:
    history.enter(history.journals.side_effects, key="thr_1:call_1", order="unheard of")


def do_more_than_was_started(history: EditableHistory) -> None:
    history.enter(history.journals.side_effects, **deed_of(history, "look"))


def skip_an_attempt(history: EditableHistory) -> None:
    history.rewrite(history.first("ToolStarted"), attempt=2)


def choose_on_an_old_log(history: EditableHistory) -> None:
    chosen = history.first("StepChosen")
    history.rewrite(chosen, based_on=chosen.data["based_on"] - 1)


def fire_again(history: EditableHistory) -> None:
    history.repeat(history.first("TimerFired"))


def fire_early(history: EditableHistory) -> None:
    history.rewrite(history.first("TimerSet"), fires_at="2999-01-01T00:00:00Z")


def expire_early(history: EditableHistory) -> None:
    expire_what_was_approved(history)


def expire_twice(history: EditableHistory) -> None:
    expire_what_was_approved(history)
    expire_what_was_approved(history)


def refuse_what_was_kept(history: EditableHistory) -> None:
    history.enter(history.journals.http_responses, status=422)


def end_in_two_ways(history: EditableHistory) -> None:
    history.repeat(history.first("ToolSucceeded"), type="ToolFailed")


def end_what_was_never_called(history: EditableHistory) -> None:
    history.repeat(history.first("ToolSucceeded"), data=json.dumps({"call_id": "call_1", "summary": "did it"}))


def answer_nobody(history: EditableHistory) -> None:
    history.change(insert(inbox).values(channel="web:bob", key="k", thread_id="t", at=history.first("StepChosen").at))


SPOILED: tuple[tuple[int, str, Callable[[EditableHistory], None]], ...] = (
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
def test_each_corruption_is_found(
    number: int, words: str, spoil: Callable[[EditableHistory], None], history: EditableHistory
) -> None:
    spoil(history)
    found = [
        told for told in find_violations(history.take_snapshot(), is_settled=True) if told.startswith(f"no. {number},")
    ]
    assert any(words in told for told in found), found


def test_one_slack_arrival_may_have_several_keys(history: EditableHistory) -> None:
    edit_without_a_name(history)
    name_on_slack(history, LATER, "event:T:Ev1", f"edit:T:{OPS}:1.1:2.2")
    assert "no. 4," not in " ".join(find_violations(history.take_snapshot(), is_settled=True))


def test_ignored_change_leaves_only_dedup_keys(history: EditableHistory) -> None:
    name_on_slack(history, history.first("ThreadFinished").at, "event:T:Ev1", f"delete:T:{OPS}:1.1")
    assert find_violations(history.take_snapshot(), is_settled=True) == []


@pytest.mark.parametrize("spoil", [lose_an_event, forget_what_was_said])
def test_changed_log_is_found(spoil: Callable[[EditableHistory], None], history: EditableHistory) -> None:
    before = history.take_snapshot()
    spoil(history)
    assert "no. 2," in " ".join(find_violations(history.take_snapshot(before), is_settled=False))


def test_eventual_invariants_wait_until_settled(history: EditableHistory) -> None:
    leave_a_message(history)
    assert find_violations(history.take_snapshot(), is_settled=False) == []
    assert find_violations(history.take_snapshot(), is_settled=True) != []
