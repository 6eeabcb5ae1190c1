"""The places between two writes at which a process is killed, and which of the reference's eighteen each belongs to.

Every point says what must be true of the moment: the last event in the log, and how often the deed was done outside.
So a test knows that it killed where it meant to, and sees what was made of it afterwards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ANY_EVENT = "any"
"""At some places others have gone on meanwhile, so the last event may be this or that."""

TOOL_BY_EFFECT: Mapping[str, str] = {"read": "look", "idempotent": "ship", "verifiable": "move", "once": "pay"}


@dataclass(frozen=True)
class CrashCase:
    """One place. `first` is where a process died before it; `errand` is what people want meanwhile.

    `last` is the type of the last event at the time, None when nothing is stored; `deeds` is how often the deed was
    done by then, `healed` how often in the end, `doubts` how often a person had to be asked what became of it. Where
    the deed is done `meanwhile` by others in the process, it may be begun by then, and be repeated with the same key.
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
    def allowed_at_kill(self) -> set[int]:
        return {0, self.final_side_effects} if self.is_concurrent else {self.side_effects}

    @property
    def allowed_finally(self) -> set[int]:
        return (
            {self.final_side_effects, 2 * self.final_side_effects} if self.is_concurrent else {self.final_side_effects}
        )

    @property
    def name(self) -> str:
        after = f" after {self.earlier_kill_point}" if self.earlier_kill_point else ""
        again = f" again ({self.occurrence})" if self.occurrence > 1 else ""
        return f"{self.number} {self.task}: {self.kill_point}{again}{after}"


@dataclass(frozen=True)
class LostCommitCase(CrashCase):
    """A commit whose word is lost to a process that lives.

    Embedded wake-ups live in the process, so what nobody heard of is taken up by the next start (`restarts`); jobs in
    the database need none. With SQLite this cannot happen but on the way down: the commit and its word are one call
    within the process.
    """

    needs_restart: bool = False


def _inbound_cases() -> Iterator[CrashCase]:
    yield CrashCase(1, "request read", "once", last_event=None)
    yield CrashCase(1, "before the commit of ThreadStarted", "once", last_event=None)
    yield CrashCase(1, "before the commit of MessageReceived", "talking", occurrence=2)
    yield CrashCase(2, "after the commit of ThreadStarted", "once", last_event="MessageReceived")
    yield CrashCase(2, "after the commit of MessageReceived", "talking", occurrence=2)
    yield CrashCase(2, "answer ready", "once")
    yield CrashCase(2, "answer sent", "once")
    yield CrashCase(3, "wake-up lost after MessageReceived", "once", last_event="MessageReceived")
    yield CrashCase(3, "wake-up lost after ToolSucceeded", "once", last_event="ToolSucceeded", side_effects=1)
    yield CrashCase(3, "wake-up lost after RequestAnswered", "idempotent", last_event="RequestAnswered")


def _work_cases() -> Iterator[CrashCase]:
    yield CrashCase(4, "CallModel taken up", "once", last_event="MessageReceived")
    yield CrashCase(4, "Prefetch taken up", "looking around", last_event="MessageReceived")
    yield CrashCase(4, "RunTool taken up", "once", last_event="ToolCalled")
    yield CrashCase(
        4,
        "RecoverTool taken up",
        "once",
        earlier_kill_point="pay done",
        last_event="ToolStarted",
        side_effects=1,
        outcome_requests=1,
    )
    yield CrashCase(
        4,
        "RecoverTool taken up",
        "verifiable",
        earlier_kill_point="move done",
        last_event="ToolStarted",
        side_effects=1,
    )
    yield CrashCase(5, "model asked", "once", last_event="MessageReceived")
    yield CrashCase(5, "model answered", "once", last_event="MessageReceived")
    yield CrashCase(5, "before the commit of StepChosen", "once", last_event="MessageReceived")
    yield CrashCase(5, "after the commit of StepChosen", "once", last_event="ToolCalled")
    yield CrashCase(5, "before the commit of ReplyChosen", "once", last_event="ToolSucceeded", side_effects=1)
    yield CrashCase(5, "after the commit of ReplyChosen", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(5, "before the commit of ToolCalled", "looking around", last_event="MessageReceived")


def _tool_cases() -> Iterator[CrashCase]:
    for effect, tool in TOOL_BY_EFFECT.items():
        doubts, twice = int(effect == "once"), 2 if effect in ("read", "idempotent") else 1
        yield CrashCase(6, "before the commit of ToolStarted", effect)
        yield CrashCase(6, "after the commit of ToolStarted", effect, outcome_requests=doubts)
        yield CrashCase(7, f"{tool} called", effect, outcome_requests=doubts)
        yield CrashCase(7, f"{tool} done", effect, side_effects=1, final_side_effects=twice, outcome_requests=doubts)
        yield CrashCase(
            8,
            "before the commit of ToolSucceeded",
            effect,
            side_effects=1,
            final_side_effects=twice,
            outcome_requests=doubts,
        )
        yield CrashCase(9, "after the commit of ToolSucceeded", effect, side_effects=1)
    yield CrashCase(8, "glance done", "looking around", last_event="ToolStarted")
    yield CrashCase(
        8, "move looked for", "verifiable", earlier_kill_point="move done", last_event="ToolStarted", side_effects=1
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
    unknown = "before the commit of ToolOutcomeUnknown"
    yield CrashCase(
        9, unknown, "once", earlier_kill_point="pay done", last_event="ToolStarted", side_effects=1, outcome_requests=1
    )


def _request_cases() -> Iterator[CrashCase]:
    yield CrashCase(10, "before the commit of RequestOpened", "idempotent", last_event="MessageReceived")
    yield CrashCase(10, "after the commit of RequestOpened", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "card offered", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "card taken", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "before the commit of RequestShown", "idempotent", last_event="RequestOpened")
    yield CrashCase(10, "after the commit of RequestShown", "idempotent", last_event="RequestShown")
    yield CrashCase(10, "card taken", "asking", last_event="RequestOpened", final_side_effects=0)
    unknown = "after the commit of ToolOutcomeUnknown"
    yield CrashCase(
        10,
        unknown,
        "once",
        earlier_kill_point="pay done",
        last_event="RequestOpened",
        side_effects=1,
        outcome_requests=1,
    )
    yield CrashCase(
        10,
        "card taken",
        "once",
        earlier_kill_point="pay done",
        last_event="RequestOpened",
        side_effects=1,
        outcome_requests=1,
    )


def _decision_cases() -> Iterator[CrashCase]:
    for errand, healed in (("idempotent", 1), ("asking", 0)):
        yield CrashCase(11, "before the commit of RequestAnswered", errand, final_side_effects=healed)
        yield CrashCase(
            11, "after the commit of RequestAnswered", errand, last_event="RequestAnswered", final_side_effects=healed
        )
        yield CrashCase(11, "correction offered", errand, final_side_effects=healed, is_concurrent=True)
        yield CrashCase(11, "correction taken", errand, final_side_effects=healed, is_concurrent=True)
    answered = "after the commit of RequestAnswered"
    yield CrashCase(
        11, answered, "once", earlier_kill_point="pay called", last_event="RequestAnswered", outcome_requests=1
    )
    yield CrashCase(11, "reply offered", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "reply taken", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "before the commit of MessageSent", "once", last_event="ThreadFinished", side_effects=1)
    yield CrashCase(11, "after the commit of MessageSent", "once", last_event="MessageSent", side_effects=1)


def _timer_cases() -> Iterator[CrashCase]:
    yield CrashCase(14, "after the commit of TimerSet", "waiting", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(14, "before the commit of TimerFired", "waiting", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(14, "after the commit of TimerFired", "waiting", last_event="TimerFired", final_side_effects=0)


def _job_cases() -> Iterator[CrashCase]:
    """Where jobs wait in the database: taken and not begun, done and not yet gone."""
    yield CrashCase(4, "advance job taken", "once", last_event="MessageReceived")
    yield CrashCase(4, "timer job taken", "waiting", last_event="TimerSet", final_side_effects=0)
    yield CrashCase(9, "advance job done", "once", side_effects=1)
    yield CrashCase(9, "timer job done", "waiting", final_side_effects=0)
    yield CrashCase(9, "deliver job done", "once", side_effects=1)


def _lost_commit_cases() -> Iterator[LostCommitCase]:
    lost = "word lost of the commit of"
    yield LostCommitCase(18, f"{lost} ThreadStarted", "once", needs_restart=True)
    yield LostCommitCase(18, f"{lost} RequestOpened", "idempotent", needs_restart=True)
    yield LostCommitCase(18, f"{lost} RequestAnswered", "idempotent", needs_restart=True)
    yield LostCommitCase(18, f"{lost} ReplyChosen", "once", needs_restart=True)
    yield LostCommitCase(18, f"{lost} StepChosen", "once")
    yield LostCommitCase(18, f"{lost} MessageSent", "once")
    for effect in TOOL_BY_EFFECT:
        yield LostCommitCase(18, f"{lost} ToolStarted", effect, outcome_requests=int(effect == "once"))
        yield LostCommitCase(18, f"{lost} ToolSucceeded", effect)


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

TESTS_BY_NUMBER: Mapping[int, str] = {
    12: "test_races.py: test_of_two_decisions_and_an_expiry_one_wins",
    13: "test_taken_over.py: test_of_two_clocks_that_fire_one_timer_one_wins",
    14: "test_clock_down.py: test_an_approval_that_ran_out_while_nobody_lived_expires_once_and_nothing_ships",
    15: "test_migrating.py: test_a_migration_killed_at_any_statement_is_finished_by_the_next",
    16: "test_stopping.py: test_a_signal_in_the_middle_of_a_deed_lets_it_end_and_accepts_nothing_new",
    17: "test_restoring.py: test_a_backup_with_calls_in_flight_repeats_nothing_that_must_not_be_repeated",
}
"""Points that take more than one process at one place have a test of their own."""
