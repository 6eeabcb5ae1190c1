"""A scene: a database, the ledgers, and the processes of a bot, which are started, die, and are started again."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

from tests.crashes.evidence import Evidence, occurrences, restless
from tests.crashes.fate import Fate
from tests.crashes.ledgers import Ledgers
from tests.crashes.nursery import PATIENCE, Child, Nursery, until

FORMATIONS: Mapping[str, tuple[str, ...]] = {"one process": ("up",)}
"""The processes of a bot, by their roles."""
FOR_ONE_PROCESS = ("sqlite",)
"""Databases that let no second process in."""

COVERED = ("sqlite",)
"""Databases the suite has been brought to an end on. PostgreSQL is next: what a restart takes over there takes time."""

SETTINGS: Sequence[tuple[str, str]] = [
    (database, formation)
    for database in COVERED
    for formation, roles in FORMATIONS.items()
    if len(roles) == 1 or database not in FOR_ONE_PROCESS
]
"""Where every crash takes place: each database with each formation it allows."""


@dataclass
class Scene:
    """Where a crash takes place."""

    nursery: Nursery
    url: str
    folder: Path
    roles: tuple[str, ...] = FORMATIONS["one process"]
    processes: list[Child] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def ledgers(self) -> Ledgers:
        return Ledgers(self.folder)

    def opens(self, place: str = "", nth: int = 1, **wishes: object) -> None:
        """Start every process, and wait until they are ready. With a place, the first that gets there dies there."""
        self.begins(place, nth, **wishes)
        for process in self.processes:
            process.is_ready()

    def begins(self, place: str = "", nth: int = 1, **wishes: object) -> None:
        """Start every process, and wait for none. Further wishes are `ahead` and `held`; see the process."""
        told = [f"--place={place}", f"--nth={nth}", *(f"--{name}={wish}" for name, wish in wishes.items())]
        self.processes = [self.starts(role, *told) for role in self.roles]

    def opens_without_a_clock(self, ahead: float) -> None:
        """Everything but what reports deadlines."""
        roles = [role for role in self.roles if role != "clock"]
        self.processes = [self.starts(role, f"--ahead={ahead}", "--no-clock") for role in roles]
        for process in self.processes:
            process.is_ready()

    def loses(self, which: int) -> None:
        """kill -9 for one of them; the others go on."""
        self.processes[which].gets(SIGKILL)
        self.processes[which].ends()
        assert self.processes[which].was_killed, self.said

    def replaces(self, which: int, place: str, nth: int) -> None:
        """Start one anew in the place of one that was lost, and wait for nothing."""
        self.processes[which] = self.starts(self.roles[which], f"--place={place}", f"--nth={nth}")

    def starts(self, role: str, *wishes: str) -> Child:
        arguments = [f"--url={self.url}", f"--folder={self.folder}", f"--role={role}", *wishes]
        return self.nursery.start(arguments, self.folder / "processes.log")

    def dies(self, place: str, nth: int = 1) -> None:
        """Wait until a process has met its fate at the place; then none of them goes on."""
        until(lambda: self.dead, lambda: f"nobody died {place!r}: {self.said}")
        assert self.met(place, nth), f"killed, but not {place!r}"
        self.is_killed()
        assert any(process.was_killed for process in self.processes)

    def met(self, place: str, nth: int = 1) -> bool:
        return Fate(self.folder, place, nth).mark.exists()

    def is_killed(self) -> None:
        """kill -9 for all of them."""
        for process in self.processes:
            process.gets(SIGKILL)
        for process in self.processes:
            process.ends()

    def is_asked_to_stop(self, how: Signals) -> None:
        for process in self.processes:
            process.gets(how)

    @property
    def dead(self) -> bool:
        return any(process.ended.is_set() for process in self.processes)

    @property
    def port(self) -> int | None:
        """Where somebody serves just now."""
        return next((p.port for p in self.processes if p.port is not None and not p.ended.is_set()), None)

    @property
    def said(self) -> str:
        log = self.folder / "processes.log"
        return log.read_text(encoding="utf-8")[-4000:] if log.exists() else ""

    def evidence(self, before: Evidence | None = None) -> Evidence:
        return Evidence.read(self.url, self.ledgers, before)

    def sees(self, kind: str, times: int = 1) -> None:
        """Wait until that many events of a type are in the logs."""
        until(lambda: occurrences(self.url, kind) >= times, lambda: f"no {kind} came: {self.said}")

    def comes_to_rest(self, within: float = PATIENCE) -> None:
        """Wait until no thread wants anything of anybody."""
        until(lambda: not restless(self.url), lambda: f"at work: {restless(self.url)}\n{self.said}", within)
