"""The places between two writes at which a process is killed, and which of the reference's eighteen each belongs to.

Every point says what must be true of the moment: the last event in the log, and how often the deed was done outside.
So a test knows that it killed where it meant to, and sees what was made of it afterwards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ANY = "any"
"""At some places others have gone on meanwhile, so the last event may be this or that."""

TOOLS: Mapping[str, str] = {"read": "look", "idempotent": "ship", "verifiable": "move", "once": "pay"}


@dataclass(frozen=True)
class Point:
    """One place. `first` is where a process died before it; `errand` is what people want meanwhile.

    `last` is the type of the last event at the time, None when nothing is stored; `deeds` is how often the deed was
    done by then, `healed` how often in the end, `doubts` how often a person had to be asked what became of it. Where
    the deed is done `meanwhile` by others in the process, it may be begun by then, and be repeated with the same key.
    """

    number: int
    place: str
    errand: str
    nth: int = 1
    first: str = ""
    last: str | None = ANY
    deeds: int = 0
    healed: int = 1
    doubts: int = 0
    meanwhile: bool = False

    @property
    def by_then(self) -> set[int]:
        return {0, self.healed} if self.meanwhile else {self.deeds}

    @property
    def in_the_end(self) -> set[int]:
        return {self.healed, 2 * self.healed} if self.meanwhile else {self.healed}

    @property
    def name(self) -> str:
        after = f" after {self.first}" if self.first else ""
        again = f" again ({self.nth})" if self.nth > 1 else ""
        return f"{self.number} {self.errand}: {self.place}{again}{after}"


@dataclass(frozen=True)
class LostWord(Point):
    """A commit whose word is lost to a process that lives.

    Embedded wake-ups live in the process, so what nobody heard of is taken up by the next start (`restarts`); jobs in
    the database need none. With SQLite this cannot happen but on the way down: the commit and its word are one call
    within the process.
    """

    restarts: bool = False


def _coming_in() -> Iterator[Point]:
    yield Point(1, "request read", "once", last=None)
    yield Point(1, "before the commit of ThreadStarted", "once", last=None)
    yield Point(1, "before the commit of MessageReceived", "talking", nth=2)
    yield Point(2, "after the commit of ThreadStarted", "once", last="MessageReceived")
    yield Point(2, "after the commit of MessageReceived", "talking", nth=2)
    yield Point(2, "answer ready", "once")
    yield Point(2, "answer sent", "once")
    yield Point(3, "wake-up lost after MessageReceived", "once", last="MessageReceived")
    yield Point(3, "wake-up lost after ToolSucceeded", "once", last="ToolSucceeded", deeds=1)
    yield Point(3, "wake-up lost after RequestAnswered", "idempotent", last="RequestAnswered")


def _working() -> Iterator[Point]:
    yield Point(4, "CallModel taken up", "once", last="MessageReceived")
    yield Point(4, "Prefetch taken up", "looking around", last="MessageReceived")
    yield Point(4, "RunTool taken up", "once", last="ToolCalled")
    yield Point(4, "RecoverTool taken up", "once", first="pay done", last="ToolStarted", deeds=1, doubts=1)
    yield Point(4, "RecoverTool taken up", "verifiable", first="move done", last="ToolStarted", deeds=1)
    yield Point(5, "model asked", "once", last="MessageReceived")
    yield Point(5, "model answered", "once", last="MessageReceived")
    yield Point(5, "before the commit of StepChosen", "once", last="MessageReceived")
    yield Point(5, "after the commit of StepChosen", "once", last="ToolCalled")
    yield Point(5, "before the commit of ReplyChosen", "once", last="ToolSucceeded", deeds=1)
    yield Point(5, "after the commit of ReplyChosen", "once", last="ThreadFinished", deeds=1)
    yield Point(5, "before the commit of ToolCalled", "looking around", last="MessageReceived")


def _deeds() -> Iterator[Point]:
    for effect, tool in TOOLS.items():
        doubts, twice = int(effect == "once"), 2 if effect in ("read", "idempotent") else 1
        yield Point(6, "before the commit of ToolStarted", effect)
        yield Point(6, "after the commit of ToolStarted", effect, doubts=doubts)
        yield Point(7, f"{tool} called", effect, doubts=doubts)
        yield Point(7, f"{tool} done", effect, deeds=1, healed=twice, doubts=doubts)
        yield Point(8, "before the commit of ToolSucceeded", effect, deeds=1, healed=twice, doubts=doubts)
        yield Point(9, "after the commit of ToolSucceeded", effect, deeds=1)
    yield Point(8, "glance done", "looking around", last="ToolStarted")
    yield Point(8, "move looked for", "verifiable", first="move done", last="ToolStarted", deeds=1)
    yield Point(8, "before the commit of ToolSucceeded", "verifiable", first="move done", last="ToolStarted", deeds=1)
    yield Point(8, "before the commit of ToolFailed", "failing", last="ToolStarted", healed=0, doubts=1)
    yield Point(9, "after the commit of ToolFailed", "failing", last="ToolFailed", healed=0)
    unknown = "before the commit of ToolOutcomeUnknown"
    yield Point(9, unknown, "once", first="pay done", last="ToolStarted", deeds=1, doubts=1)


def _asking() -> Iterator[Point]:
    yield Point(10, "before the commit of RequestOpened", "idempotent", last="MessageReceived")
    yield Point(10, "after the commit of RequestOpened", "idempotent", last="RequestOpened")
    yield Point(10, "card offered", "idempotent", last="RequestOpened")
    yield Point(10, "card taken", "idempotent", last="RequestOpened")
    yield Point(10, "before the commit of RequestShown", "idempotent", last="RequestOpened")
    yield Point(10, "after the commit of RequestShown", "idempotent", last="RequestShown")
    yield Point(10, "card taken", "asking", last="RequestOpened", healed=0)
    unknown = "after the commit of ToolOutcomeUnknown"
    yield Point(10, unknown, "once", first="pay done", last="RequestOpened", deeds=1, doubts=1)
    yield Point(10, "card taken", "once", first="pay done", last="RequestOpened", deeds=1, doubts=1)


def _deciding() -> Iterator[Point]:
    for errand, healed in (("idempotent", 1), ("asking", 0)):
        yield Point(11, "before the commit of RequestAnswered", errand, healed=healed)
        yield Point(11, "after the commit of RequestAnswered", errand, last="RequestAnswered", healed=healed)
        yield Point(11, "correction offered", errand, healed=healed, meanwhile=True)
        yield Point(11, "correction taken", errand, healed=healed, meanwhile=True)
    answered = "after the commit of RequestAnswered"
    yield Point(11, answered, "once", first="pay called", last="RequestAnswered", doubts=1)
    yield Point(11, "reply offered", "once", last="ThreadFinished", deeds=1)
    yield Point(11, "reply taken", "once", last="ThreadFinished", deeds=1)
    yield Point(11, "before the commit of MessageSent", "once", last="ThreadFinished", deeds=1)
    yield Point(11, "after the commit of MessageSent", "once", last="MessageSent", deeds=1)


def _waiting() -> Iterator[Point]:
    yield Point(14, "after the commit of TimerSet", "waiting", last="TimerSet", healed=0)
    yield Point(14, "before the commit of TimerFired", "waiting", last="TimerSet", healed=0)
    yield Point(14, "after the commit of TimerFired", "waiting", last="TimerFired", healed=0)


def _jobs() -> Iterator[Point]:
    """Where jobs wait in the database: taken and not begun, done and not yet gone."""
    yield Point(4, "advance job taken", "once", last="MessageReceived")
    yield Point(4, "timer job taken", "waiting", last="TimerSet", healed=0)
    yield Point(9, "advance job done", "once", deeds=1)
    yield Point(9, "timer job done", "waiting", healed=0)
    yield Point(9, "deliver job done", "once", deeds=1)


def _lost_words() -> Iterator[LostWord]:
    lost = "word lost of the commit of"
    yield LostWord(18, f"{lost} ThreadStarted", "once", restarts=True)
    yield LostWord(18, f"{lost} RequestOpened", "idempotent", restarts=True)
    yield LostWord(18, f"{lost} RequestAnswered", "idempotent", restarts=True)
    yield LostWord(18, f"{lost} ReplyChosen", "once", restarts=True)
    yield LostWord(18, f"{lost} StepChosen", "once")
    yield LostWord(18, f"{lost} MessageSent", "once")
    for effect in TOOLS:
        yield LostWord(18, f"{lost} ToolStarted", effect, doubts=int(effect == "once"))
        yield LostWord(18, f"{lost} ToolSucceeded", effect)


POINTS: tuple[Point, ...] = (*_coming_in(), *_working(), *_deeds(), *_asking(), *_deciding(), *_waiting())
JOB_POINTS: tuple[Point, ...] = tuple(_jobs())
LOST_WORDS: tuple[LostWord, ...] = tuple(_lost_words())

STORIES: Mapping[int, str] = {
    12: "test_races.py: test_of_two_decisions_and_an_expiry_one_wins",
    13: "test_taken_over.py: test_of_two_clocks_that_fire_one_timer_one_wins",
    14: "test_clock_down.py: test_an_approval_that_ran_out_while_nobody_lived_expires_once_and_nothing_ships",
    15: "test_migrating.py: test_a_migration_killed_at_any_statement_is_finished_by_the_next",
    16: "test_stopping.py: test_a_signal_in_the_middle_of_a_deed_lets_it_end_and_accepts_nothing_new",
    17: "test_restoring.py: test_a_backup_with_calls_in_flight_repeats_nothing_that_must_not_be_repeated",
}
"""Points that take more than one process at one place have a test of their own."""
