"""Points between two writes at which a process is killed, in eighteen numbered groups.

Each case states the last event in the log and the number of side effects at the time of the kill. A test compares them
to check that the kill happened at the intended point, and compares the final numbers after the restart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ANY_EVENT = "any"
"""Matches any last event: at some kill points other processes may have continued meanwhile."""

TOOL_BY_EFFECT_CLASS: Mapping[str, str] = {"read": "look", "idempotent": "ship", "verifiable": "move", "once": "pay"}


@dataclass(frozen=True)
class CrashCase:
    """One kill point and the expected state. `number` is the group, `task` a key of TASKS or "two messages".

    A process was killed at `earlier_kill_point` before, if set. `last_event` is the type of the last event at the kill,
    None if nothing is stored. `side_effects` counts the runs of the tool at the kill, `final_side_effects` those at the
    end, `outcome_requests` how often a person was asked for the outcome of a call. With `is_concurrent`, other tasks of
    the process may run the tool before the kill, and again afterwards with the same idempotency key.
    """

    number: int
    kill_point: str
    task: str
    occurrence: int = 1
    earlier_kill_point: str = ""
    last_event: str | None = ANY_EVENT
    side_effects: int = 0
    final_side_effects: int = 1
    outcome_requests: int = 0
    is_concurrent: bool = False

    @property
    def committed_event(self) -> str | None:
        """The type of the event whose commit the kill follows; None for other kill points.

        The rest of the process can go on between the commit and the kill, for longer on a busy machine.
        """
        prefix = "after the commit of "
        return self.kill_point.removeprefix(prefix) if self.kill_point.startswith(prefix) else None

    @property
    def allowed_at_kill(self) -> set[int]:
        if self.is_concurrent:
            return {0, self.final_side_effects}
        return {self.side_effects, self.final_side_effects} if self.committed_event else {self.side_effects}

    @property
    def allowed_finally(self) -> set[int]:
        may_repeat = self.is_concurrent or self.committed_event is not None
        return {self.final_side_effects, 2 * self.final_side_effects} if may_repeat else {self.final_side_effects}

    @property
    def name(self) -> str:
        earlier = f" after {self.earlier_kill_point}" if self.earlier_kill_point else ""
        repetition = f" again ({self.occurrence})" if self.occurrence > 1 else ""
        return f"{self.number} {self.task}: {self.kill_point}{repetition}{earlier}"


@dataclass(frozen=True)
class LostCommitCase(CrashCase):
    """A commit that succeeds, although the process receives an error instead of the result and continues to run.

    Without jobs in the database, the work that follows is done after the next start (`needs_restart`). On SQLite the
    error is simulated: commit and result are one call within the process there.
    """

    needs_restart: bool = False


def _inbound_cases() -> Iterator[CrashCase]:
    yield CrashCase(1, "request read", "once", last_event=None)
    yield CrashCase(1, "before the commit of ThreadStarted", "once", last_event=None)
    yield CrashCase(1, "before the commit of MessageReceived", "two messages", occurrence=2)
    yield CrashCase(2, "after the commit of ThreadStarted", "once", last_event="MessageReceived")
    yield CrashCase(2, "after the commit of MessageReceived", "two messages", occurrence=2)
    yield CrashCase(2, "response ready", "once")
    yield CrashCase(2, "response sent", "once")
    yield CrashCase(3, "wake-up lost after MessageReceived", "once", last_event="MessageReceived")
    yield CrashCase(3, "wake-up lost after ToolSucceeded", "once", last_event="ToolSucceeded", side_effects=1)
    yield CrashCase(3, "wake-up lost after RequestAnswered", "idempotent", last_event="RequestAnswered")


def _work_cases() -> Iterator[CrashCase]:
    yield CrashCase(4, "CallModel started", "once", last_event="MessageReceived")
    yield CrashCase(4, "Prefetch started", "prefetch", last_event="MessageReceived")
    yield CrashCase(4, "RunTool started", "once", last_event="ToolCalled")
    yield CrashCase(
        4,
        "RecoverTool started",
        "once",
        earlier_kill_point="pay done",
        last_event="ToolStarted",
        side_effects=1,
        outcome_requests=1,
    )
    yield CrashCase(
        4,
        "RecoverTool started",
        "verifiable",
        earlier_kill_point="move done",
        last_event="ToolStarted",
        side_effects=1,
    )
    yield CrashCase(5, "model called", "once", last_event="MessageReceived")
    yield CrashCase(5, "model answered", "once", last_event="MessageReceived")
    yield CrashCase(5, "before the commit of StepChosen", "once", last_event="MessageReceived")
    yield CrashCase(5, "after the commit of StepChosen", "once", last_event="ToolCalled")
    yield CrashCase(5, "before the commit of ReplyChosen", "once", last_event="ToolSucceeded", side_effects=1)
    yield CrashCase(5, "after the commit of ReplyChosen", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(5, "before the commit of ToolCalled", "prefetch", last_event="MessageReceived")


def _tool_cases() -> Iterator[CrashCase]:
    for effect_class, tool in TOOL_BY_EFFECT_CLASS.items():
        requests, runs = int(effect_class == "once"), 2 if effect_class in ("read", "idempotent") else 1
        yield CrashCase(6, "before the commit of ToolStarted", effect_class)
        yield CrashCase(6, "after the commit of ToolStarted", effect_class, outcome_requests=requests)
        yield CrashCase(7, f"{tool} called", effect_class, outcome_requests=requests)
        yield CrashCase(
            7, f"{tool} done", effect_class, side_effects=1, final_side_effects=runs, outcome_requests=requests
        )
        yield CrashCase(
            8,
            "before the commit of ToolSucceeded",
            effect_class,
            side_effects=1,
            final_side_effects=runs,
            outcome_requests=requests,
        )
        yield CrashCase(9, "after the commit of ToolSucceeded", effect_class, side_effects=1)
    yield CrashCase(8, "glance done", "prefetch", last_event="ToolStarted")
    yield CrashCase(
        8, "move checked", "verifiable", earlier_kill_point="move done", last_event="ToolStarted", side_effects=1
    )
    yield CrashCase(
        8,
        "before the commit of ToolSucceeded",
        "verifiable",
        earlier_kill_point="move done",
        last_event="ToolStarted",
        side_effects=1,
    )
    yield CrashCase(
        8,
        "before the commit of ToolFailed",
        "failing",
        last_event="ToolStarted",
        final_side_effects=0,
        outcome_requests=1,
    )
    yield CrashCase(9, "after the commit of ToolFailed", "failing", last_event="ToolFailed", final_side_effects=0)
    kill_point = "before the commit of ToolOutcomeUnknown"
    yield CrashCase(
        9,
        kill_point,
        "once",
        earlier_kill_point="pay done",
        last_event="ToolStarted",
        side_effects=1,
        outcome_requests=1,
    )


def _request_cases() -> Iterator[CrashCase]:
    yield CrashCase(10, "before the commit of RequestOpened", "idempotent", last_event="MessageReceived")
    yield CrashCase(10, "after the commit of RequestOpened", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "before sending card", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "after sending card", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "before the commit of RequestShown", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "after the commit of RequestShown", "idempotent", last_event="RequestShown")
    yield CrashCase(10, "after sending card", "question", last_event="RequestOpened", final_side_effects=0)
    kill_point = "after the commit of ToolOutcomeUnknown"
    yield CrashCase(
        10,
        kill_point,
        "once",
        earlier_kill_point="pay done",
        last_event="RequestOpened",
        side_effects=1,
        outcome_requests=1,
    )
    yield CrashCase(
        10,
        "after sending card",
        "once",
        earlier_kill_point="pay done",
        last_event="RequestOpened",
        side_effects=1,
        outcome_requests=1,
    )


def _decision_cases() -> Iterator[CrashCase]:
    for task, runs in (("idempotent", 1), ("question", 0)):
        yield CrashCase(11, "before the commit of RequestAnswered", task, final_side_effects=runs)
        yield CrashCase(
            11, "after the commit of RequestAnswered", task, last_event="RequestAnswered", final_side_effects=runs
        )
        yield CrashCase(11, "before sending card update", task, final_side_effects=runs, is_concurrent=True)
        yield CrashCase(11, "after sending card update", task, final_side_effects=runs, is_concurrent=True)
    kill_point = "after the commit of RequestAnswered"
    yield CrashCase(
        11, kill_point, "once", earlier_kill_point="pay called", last_event="RequestAnswered", outcome_requests=1
    )
    yield CrashCase(11, "before sending reply", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "after sending reply", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "before the commit of MessageSent", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "after the commit of MessageSent", "once", last_event="MessageSent", side_effects=1)


def _timer_cases() -> Iterator[CrashCase]:
    yield CrashCase(14, "after the commit of TimerSet", "timer", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(14, "before the commit of TimerFired", "timer", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(14, "after the commit of TimerFired", "timer", last_event="TimerFired", final_side_effects=0)


def _job_cases() -> Iterator[CrashCase]:
    """Yield kill points around jobs in the database: fetched but not started, done but not deleted."""
    yield CrashCase(4, "advance job started", "once", last_event="MessageReceived")
    yield CrashCase(4, "timer job started", "timer", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(9, "advance job done", "once", side_effects=1)
    yield CrashCase(9, "timer job done", "timer", final_side_effects=0)
    yield CrashCase(9, "deliver job done", "once", side_effects=1)


def _lost_commit_cases() -> Iterator[LostCommitCase]:
    kill_point = "lost result of the commit of"
    yield LostCommitCase(18, f"{kill_point} ThreadStarted", "once", needs_restart=True)
    yield LostCommitCase(18, f"{kill_point} RequestOpened", "idempotent", needs_restart=True)
    yield LostCommitCase(18, f"{kill_point} RequestAnswered", "idempotent", needs_restart=True)
    yield LostCommitCase(18, f"{kill_point} ReplyChosen", "once", needs_restart=True)
    yield LostCommitCase(18, f"{kill_point} StepChosen", "once")
    yield LostCommitCase(18, f"{kill_point} MessageSent", "once")
    for effect_class in TOOL_BY_EFFECT_CLASS:
        yield LostCommitCase(
            18, f"{kill_point} ToolStarted", effect_class, outcome_requests=int(effect_class == "once")
        )
        yield LostCommitCase(18, f"{kill_point} ToolSucceeded", effect_class)


CRASH_CASES: tuple[CrashCase, ...] = (
    *_inbound_cases(),
    *_work_cases(),
    *_tool_cases(),
    *_request_cases(),
    *_decision_cases(),
    *_timer_cases(),
)
JOB_CRASH_CASES: tuple[CrashCase, ...] = tuple(_job_cases())
LOST_COMMIT_CASES: tuple[LostCommitCase, ...] = tuple(_lost_commit_cases())

QUICK_CASES = frozenset(
    {
        ("request read", "once"),
        ("after the commit of ThreadStarted", "once"),
        ("response ready", "once"),
        ("wake-up lost after ToolSucceeded", "once"),
        ("CallModel started", "once"),
        ("Prefetch started", "prefetch"),
        ("RunTool started", "once"),
        ("RecoverTool started", "verifiable"),
        ("before the commit of StepChosen", "once"),
        ("after the commit of ToolStarted", "once"),
        ("pay done", "once"),
        ("ship done", "idempotent"),
        ("before the commit of ToolFailed", "failing"),
        ("after the commit of ToolSucceeded", "read"),
        ("after sending card", "idempotent"),
        ("before the commit of RequestShown", "idempotent"),
        ("after the commit of RequestAnswered", "question"),
        ("after sending card update", "idempotent"),
        ("before the commit of MessageSent", "once"),
        ("before the commit of TimerFired", "timer"),
        ("advance job done", "once"),
        ("deliver job done", "once"),
        ("lost result of the commit of RequestAnswered", "idempotent"),
        ("lost result of the commit of ToolStarted", "once"),
        ("lost result of the commit of MessageSent", "once"),
    }
)
"""Kill point and task of the cases that run without `--all`: one for each distinct place."""


def is_quick(case: CrashCase) -> bool:
    """Return whether a case runs without `--all`."""
    return (case.kill_point, case.task) in QUICK_CASES


SEPARATE_TESTS_BY_NUMBER: Mapping[int, str] = {
    12: "test_races.py: test_one_of_two_decisions_and_an_expiry_wins",
    13: "test_failover.py: test_timer_is_fired_once_if_its_process_was_suspended",
    14: "test_timers_down.py: test_approval_that_ran_out_during_downtime_expires_once",
    15: "test_migration.py: test_next_migration_completes_one_killed_at_any_statement",
    16: "test_shutdown.py: test_sigterm_lets_a_tool_finish_and_rejects_new_requests",
    17: "test_restore.py: test_restored_backup_repeats_no_unrepeatable_call",
}
"""Tests of the groups that need more than one process, or another kind of interruption than a kill."""
