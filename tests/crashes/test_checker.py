"""The checker finds each kind of corruption: each is applied to a correct history and must be reported."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, update

from storage.database.database import create_database_engine
from storage.database.tables import ConversationRow, EventRow, InboxRow, OutboxRow, RequestRow, ThreadRow
from tests.crashes.checker import INVARIANTS, find_violations
from tests.crashes.database_admin import database_admin
from tests.crashes.journals import Journal, Journals
from tests.crashes.process_pool import ProcessPool
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import TASKS, ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import LoggedRow, SystemSnapshot
from tests.databases import DATABASES
from tests.slow_cases import slow_after_first

thread_table, event_table, request_table, outbox_table, inbox_table, conversation_table = (
    kind.__table__ for kind in (ThreadRow, EventRow, RequestRow, OutboxRow, InboxRow, ConversationRow)
)
OPS, FAR_FUTURE = "C0OPS", datetime(2999, 1, 1, tzinfo=UTC)
# The numbers only identify the invariants; number 2 has a test of its own.
INVARIANT_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17}


@dataclass(frozen=True)
class EditableHistory:
    """A database and its journals, to be corrupted."""

    url: str
    journals: Journals

    def take_snapshot(self, earlier: SystemSnapshot | None = None) -> SystemSnapshot:
        return SystemSnapshot.take(self.url, self.journals, earlier)

    def execute(self, *statements: Any) -> None:
        engine = create_database_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0
        engine.dispose()

    def first_event(self, event_type: str, **values: Any) -> Any:
        """Return the first event of a type whose data has these values."""
        return next(e for e in self.take_snapshot().events_of_type(event_type) if values.items() <= e.data.items())

    def rewrite_event(self, logged: LoggedRow, **data: Any) -> None:
        text = json.dumps({**logged.data, **data})
        self.execute(update(event_table).where(*_row_conditions(logged)).values(data=text))

    def append_event_copy(self, logged: LoggedRow, **columns: Any) -> None:
        """Append a copy of an event to its log, and increase the version of the thread."""
        seq = len(self.take_snapshot().logs[logged.thread_id]) + 1
        row = {
            "thread_id": logged.thread_id,
            "type": logged.type,
            "v": logged.type_version,
            "at": logged.at,
            "actor": logged.actor,
        }
        self.execute(
            insert(event_table).values({**row, "data": logged.data_json, **columns, "seq": seq}),
            update(thread_table).where(thread_table.c.id == logged.thread_id).values(version=seq),
        )

    def append_entry_copy(self, journal: Journal, **changed: Any) -> None:
        """Append a copy of the journal's first entry with changes."""
        journal.append(**{**journal.read_entries()[0], **changed})


def _row_conditions(logged: LoggedRow) -> tuple[Any, Any]:
    return event_table.c.thread_id == logged.thread_id, event_table.c.seq == logged.seq


@pytest.fixture(scope="module", params=slow_after_first(DATABASES))
def complete_scenario(
    request: pytest.FixtureRequest, process_pool: ProcessPool, tmp_path_factory: pytest.TempPathFactory
) -> CrashScenario:
    """Return a scenario with a complete history: every task, and a payment whose outcome was unknown."""
    folder = tmp_path_factory.mktemp("complete")
    scenario = CrashScenario(process_pool, DATABASES[request.param](folder), folder)
    run_tasks(scenario, [task for task in TASKS if task != "once"])
    run_tasks(scenario, ["once"], "pay done")
    return scenario


def run_tasks(scenario: CrashScenario, tasks: list[str], kill_point: str = "") -> None:
    round_prefix = kill_point[:3]  # keeps the keys and arguments of the two rounds apart
    alice, bob = requester_and_responder(scenario, round_prefix)
    scenario.start(kill_point)
    with ConcurrentUsers(scenario, bob) as users:
        for number, task in enumerate(tasks):
            users.start_task(task_function(task, alice, f"{round_prefix}{number}"))
        if kill_point:
            scenario.wait_for_kill(kill_point)
            scenario.start()
        users.wait_until_idle()
    scenario.kill()


@pytest.fixture
def history(complete_scenario: CrashScenario, tmp_path: Path) -> EditableHistory:
    """Return a copy of the history that the test may corrupt."""
    for journal in complete_scenario.folder.glob("*.jsonl"):
        shutil.copy(journal, tmp_path)
    return EditableHistory(
        database_admin(complete_scenario.url).copy_idle(complete_scenario.url, tmp_path.name), Journals(tmp_path)
    )


def test_complete_history_has_no_violation(history: EditableHistory) -> None:
    snapshot = history.take_snapshot()
    assert find_violations(history.take_snapshot(snapshot), is_work_finished=True) == []
    assert {e.type for e in snapshot.events} >= {"TimerFired", "ToolOutcomeUnknown", "ToolFailed", "RequestAnswered"}


def test_every_invariant_has_a_corruption_that_violates_it(history: EditableHistory) -> None:
    assert {each.number for each in INVARIANTS} == INVARIANT_NUMBERS
    assert {number for number, _, _ in CORRUPTIONS} == INVARIANT_NUMBERS - {2}


def delete_event(history: EditableHistory) -> None:
    history.execute(delete(event_table).where(*_row_conditions(history.first_event("StepChosen"))))


def increase_version(history: EditableHistory) -> None:
    history.execute(update(thread_table).values(version=thread_table.c.version + 1))


def delete_inbox_row(history: EditableHistory) -> None:
    history.execute(delete(inbox_table).where(inbox_table.c.key.like("POST /v1/threads %-1")))


def change_message_text(history: EditableHistory) -> None:
    history.rewrite_event(history.first_event("MessageReceived"), text="something else")


def add_response_without_inbox_row(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.http_responses, key="alice-of-another-day")


def repeat_message(history: EditableHistory) -> None:
    message = history.first_event("MessageReceived")
    history.append_event_copy(message)


def add_message_without_inbox_row(history: EditableHistory) -> None:
    message = history.first_event("MessageReceived")
    history.append_event_copy(
        message, at=message.at + timedelta(seconds=1), data=json.dumps({**message.data, "text": "Hello."})
    )


def append_change(history: EditableHistory, event_type: str, at: datetime) -> None:
    """Append a change of the first message without an inbox row."""
    message = history.first_event("MessageReceived")
    data = {
        "ref": f"{OPS}:1.1",
        "source": f"slack:{OPS}:1.1",
        **({"text": "Hello."} if event_type == "MessageEdited" else {}),
    }
    history.append_event_copy(message, type=event_type, at=at, data=json.dumps(data))


def add_edit_without_inbox_row(history: EditableHistory) -> None:
    append_change(history, "MessageEdited", FAR_FUTURE)


def add_deletion_without_inbox_row(history: EditableHistory) -> None:
    append_change(history, "MessageDeleted", FAR_FUTURE)


def add_slack_inbox_rows(history: EditableHistory, at: datetime, *keys: str) -> None:
    rows = [
        {"channel": "slack", "key": key, "thread_id": history.first_event("StepChosen").thread_id, "at": at}
        for key in keys
    ]
    history.execute(*(insert(inbox_table).values(**row) for row in rows))


def add_inbox_rows_without_event(history: EditableHistory) -> None:
    add_slack_inbox_rows(history, FAR_FUTURE, "event:T:Ev1", "message:T:C:1.1")


def move_thread_to_slack(history: EditableHistory) -> None:
    """Move a thread to Slack without a conversation row."""
    message = history.first_event("MessageReceived")
    started = next(e for e in history.take_snapshot().logs[message.thread_id] if e.type == "ThreadStarted")
    history.rewrite_event(started, origin=f"slack:{OPS}:1.1")
    history.rewrite_event(message, source=f"slack:{OPS}:1.1")


def add_wrong_conversation(history: EditableHistory) -> None:
    row = {"channel": "slack", "place": f"T0TEAM:{OPS}:1.1", "thread_id": history.first_event("StepChosen").thread_id}
    history.execute(insert(conversation_table).values(**row))


def change_thread_status(history: EditableHistory) -> None:
    history.execute(update(thread_table).values(status="running"))


def change_thread_state(history: EditableHistory) -> None:
    failed_state = func.replace(thread_table.c.state, '"lifecycle":"done"', '"lifecycle":"failed"')
    history.execute(update(thread_table).values(state=failed_state))


def approve_own_request(history: EditableHistory) -> None:
    approved = history.first_event("RequestAnswered", status="approved")
    message = next(e for e in history.take_snapshot().logs[approved.thread_id] if e.type == "MessageReceived")
    history.execute(update(event_table).where(*_row_conditions(message)).values(actor=approved.actor))


def start_without_approval(history: EditableHistory) -> None:
    approved = history.first_event("RequestAnswered", status="approved")
    history.rewrite_event(approved, answer={**approved.data["answer"], "counted": False})


def approve_with_less_assurance(history: EditableHistory) -> None:
    approved = history.first_event("RequestAnswered", status="approved")
    history.rewrite_event(approved, answer={**approved.data["answer"], "assurance": "low"})


def pay_twice(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.side_effects, **side_effect_of(history, "pay"))


def move_twice(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.side_effects, **side_effect_of(history, "move"))


def ship_under_another_key(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.side_effects, **{**side_effect_of(history, "ship"), "key": "another"})


def send_twice(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.sent_messages)


def side_effect_of(history: EditableHistory, tool: str) -> Any:
    return next(entry for entry in history.journals.side_effects.read_entries() if entry["tool"] == tool)


def remove_call_outcome(history: EditableHistory) -> None:
    history.rewrite_event(
        history.first_event("ToolSucceeded"), call_id=history.first_event("ToolFailed").data["call_id"]
    )


def add_outbox_row(history: EditableHistory) -> None:
    row = {"thread_id": history.first_event("StepChosen").thread_id, "key": "card", "message": "{}"}
    history.execute(insert(outbox_table).values(**row, created_at=history.first_event("StepChosen").at))


def mark_thread_unfinished(history: EditableHistory) -> None:
    history.execute(update(thread_table).values(unfinished=True))


def reopen_requests(history: EditableHistory) -> None:
    history.execute(update(request_table).values(status="open"))


def delete_sent_journal(history: EditableHistory) -> None:
    history.journals.sent_messages.path.unlink()


def detach_outcome_request(history: EditableHistory) -> None:
    unknown = history.first_event("ToolOutcomeUnknown")
    opened = next(e for e in history.take_snapshot().logs[unknown.thread_id] if e.seq == unknown.seq + 1)
    history.rewrite_event(opened, request={**opened.data["request"], "call_id": "another"})


def delete_outcome_card(history: EditableHistory) -> None:
    entries = history.journals.sent_messages.read_entries()
    history.journals.sent_messages.path.unlink()
    for entry in entries:
        if "tell whether it ran" not in entry["text"]:
            history.journals.sent_messages.append(**entry)


def repeat_decision(history: EditableHistory) -> None:
    history.append_event_copy(history.first_event("RequestAnswered"))


def expire_approved_request(history: EditableHistory) -> None:
    data = {"request_id": history.first_event("RequestAnswered").data["request_id"], "on_expire": "deny"}
    history.append_event_copy(history.first_event("RequestAnswered"), type="RequestExpired", data=json.dumps(data))


def change_request_status(history: EditableHistory) -> None:
    history.execute(update(request_table).where(request_table.c.status == "approved").values(status="denied"))


def add_second_winner(history: EditableHistory) -> None:
    winning_response = next(a for a in history.journals.http_responses.read_entries() if a["path"].endswith("/answer"))
    history.journals.http_responses.append(**{**winning_response, "key": "carol-1", "by": "carol"})


def decide_too_late(history: EditableHistory) -> None:
    answered = history.first_event("RequestAnswered")
    history.execute(update(event_table).where(*_row_conditions(answered)).values(at=answered.at + timedelta(days=30)))


def add_unknown_side_effect(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.side_effects, key="thr_1:call_1", order="unheard of")


def repeat_side_effect(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.side_effects, **side_effect_of(history, "look"))


def skip_an_attempt(history: EditableHistory) -> None:
    history.rewrite_event(history.first_event("ToolStarted"), attempt=2)


def choose_on_old_version(history: EditableHistory) -> None:
    chosen = history.first_event("StepChosen")
    history.rewrite_event(chosen, based_on=chosen.data["based_on"] - 1)


def repeat_timer(history: EditableHistory) -> None:
    history.append_event_copy(history.first_event("TimerFired"))


def postpone_timer(history: EditableHistory) -> None:
    history.rewrite_event(history.first_event("TimerSet"), fires_at="2999-01-01T00:00:00Z")


def expire_early(history: EditableHistory) -> None:
    expire_approved_request(history)


def expire_twice(history: EditableHistory) -> None:
    expire_approved_request(history)
    expire_approved_request(history)


def reject_post_that_is_in_the_inbox(history: EditableHistory) -> None:
    history.append_entry_copy(history.journals.http_responses, status=422)


def add_second_outcome(history: EditableHistory) -> None:
    history.append_event_copy(history.first_event("ToolSucceeded"), type="ToolFailed")


def add_outcome_of_unknown_call(history: EditableHistory) -> None:
    history.append_event_copy(
        history.first_event("ToolSucceeded"), data=json.dumps({"call_id": "call_1", "summary": "did it"})
    )


def add_inbox_row(history: EditableHistory) -> None:
    history.execute(
        insert(inbox_table).values(channel="web:bob", key="k", thread_id="t", at=history.first_event("StepChosen").at)
    )


CORRUPTIONS: tuple[tuple[int, str, Callable[[EditableHistory], None]], ...] = (
    (1, "and holds", delete_event),
    (1, "and holds", increase_version),
    (3, "in the inbox 0 times", delete_inbox_row),
    (3, "in the log 0 times", change_message_text),
    (3, "in the log 2 times", repeat_message),
    (3, "in the inbox 0 times", add_response_without_inbox_row),
    (4, "1 inbox keys and 0 events", add_inbox_row),
    (4, "0 inbox keys and 1 events", add_message_without_inbox_row),
    (4, "in the logs 2 times", repeat_message),
    (4, "0 inbox keys and 1 events", add_edit_without_inbox_row),
    (4, "0 inbox keys and 1 events", add_deletion_without_inbox_row),
    (4, "1 inbox keys and 0 events", add_inbox_rows_without_event),
    (4, "is not linked to", move_thread_to_slack),
    (4, "by mistake", add_wrong_conversation),
    (5, "does not match its log", change_thread_status),
    (5, "does not match its log", change_thread_state),
    (6, "who requested it", approve_own_request),
    (6, "approved by 0 of 1", start_without_approval),
    (6, "with less assurance", approve_with_less_assurance),
    (7, "pay (once) ran 2 times", pay_twice),
    (7, "move (verifiable) ran 2 times", move_twice),
    (7, "ran under 2 keys", ship_under_another_key),
    (7, "one process sent", send_twice),
    (8, "has no outcome", remove_call_outcome),
    (8, "was not sent", add_outbox_row),
    (8, "is unfinished", mark_thread_unfinished),
    (8, "is still open", reopen_requests),
    (8, "its channel never sent it", delete_sent_journal),
    (9, "and 0 requests", detach_outcome_request),
    (9, "no card of", delete_outcome_card),
    (10, "and expired", expire_approved_request),
    (10, "was settled as", repeat_decision),
    (10, "is stored as denied", change_request_status),
    (10, "is stored as open", reopen_requests),
    (10, "2 people got", add_second_winner),
    (11, "and was decided at", decide_too_late),
    (13, "started 0 times", add_unknown_side_effect),
    (13, "ran 2 times and was started 1 times", repeat_side_effect),
    (13, "started with attempts [2]", skip_an_attempt),
    (13, "was chosen on", choose_on_old_version),
    (15, "fired twice", repeat_timer),
    (15, "fired early", postpone_timer),
    (15, "expired early", expire_early),
    (15, "reported 2 times", expire_twice),
    (17, "and is in the inbox", reject_post_that_is_in_the_inbox),
    (17, "outcomes done and failed", add_second_outcome),
    (17, "unknown call", add_outcome_of_unknown_call),
    (17, "was not answered", add_inbox_row),
)


@pytest.mark.parametrize(
    ("number", "text", "corrupt"), CORRUPTIONS, ids=[f"{n} {corrupt.__name__}" for n, _, corrupt in CORRUPTIONS]
)
def test_each_corruption_is_found(
    number: int, text: str, corrupt: Callable[[EditableHistory], None], history: EditableHistory
) -> None:
    corrupt(history)
    found = [
        violation
        for violation in find_violations(history.take_snapshot(), is_work_finished=True)
        if violation.startswith(f"no. {number},")
    ]
    assert any(text in violation for violation in found), found


def test_one_slack_edit_may_have_several_dedup_keys(history: EditableHistory) -> None:
    add_edit_without_inbox_row(history)
    add_slack_inbox_rows(history, FAR_FUTURE, "event:T:Ev1", f"edit:T:{OPS}:1.1:2.2")
    assert "no. 4," not in " ".join(find_violations(history.take_snapshot(), is_work_finished=True))


def test_ignored_change_leaves_only_dedup_keys(history: EditableHistory) -> None:
    add_slack_inbox_rows(history, history.first_event("ThreadFinished").at, "event:T:Ev1", f"delete:T:{OPS}:1.1")
    assert find_violations(history.take_snapshot(), is_work_finished=True) == []


@pytest.mark.parametrize("corrupt", [delete_event, change_message_text])
def test_changed_log_is_found(corrupt: Callable[[EditableHistory], None], history: EditableHistory) -> None:
    before = history.take_snapshot()
    corrupt(history)
    assert "no. 2," in " ".join(find_violations(history.take_snapshot(before), is_work_finished=False))


def test_eventual_invariants_are_checked_when_work_is_finished(history: EditableHistory) -> None:
    add_outbox_row(history)
    assert find_violations(history.take_snapshot(), is_work_finished=False) == []
    assert find_violations(history.take_snapshot(), is_work_finished=True) != []
