"""A scene: a database, the ledgers, and the processes of a bot, which are started, die, and are started again."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from typing import Any

import pytest

from storage.jobs.stalled import STALE
from storage.postgres import is_postgres
from tests.crashes.evidence import Evidence, occurrences, reading, restless
from tests.crashes.fate import Fate
from tests.crashes.keepers import keeper
from tests.crashes.ledgers import Ledgers
from tests.crashes.nursery import PATIENCE, Child, Nursery, until
from tests.databases import DATABASES

FORMATIONS: Mapping[str, tuple[str, ...]] = {
    "one process": ("up",),
    "web, two workers, clock": ("web", "worker", "worker", "clock"),
}
"""The processes of a bot, by their roles."""
FOR_ONE_PROCESS = ("sqlite",)
"""Databases that let no second process in."""

SETTINGS: Sequence[tuple[str, str]] = [
    (database, formation)
    for formation, roles in FORMATIONS.items()
    for database in DATABASES
    if len(roles) == 1 or database not in FOR_ONE_PROCESS
]
"""Where a crash may take place: each database with each formation it allows."""
ALONE = [setting for setting in SETTINGS if len(FORMATIONS[setting[1]]) == 1]
SHARED = [setting for setting in SETTINGS if setting not in ALONE]


def named(setting: tuple[str, str]) -> str:
    """A setting as the name of a test tells it."""
    database, formation = setting
    return f"{formation} on {database}"


shared = pytest.mark.parametrize("scene", SHARED, ids=named, indirect=True)
"""For a test that takes several processes."""

QUICK = 2.0
"""Seconds of silence after which a process counts as dead where a test waits for that: eight heartbeats."""


@dataclass
class Scene:
    """Where a crash takes place."""

    nursery: Nursery
    url: str
    folder: Path
    roles: tuple[str, ...] = FORMATIONS["one process"]
    processes: list[Child] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    stale: float = STALE

    @property
    def shared(self) -> bool:
        """Whether jobs wait in the database, for whoever takes them."""
        return is_postgres(self.url)

    @property
    def ledgers(self) -> Ledgers:
        return Ledgers(self.folder)

    def opens(self, place: str = "", nth: int = 1, *flags: str, **wishes: Any) -> None:
        """Start every process, and wait until they are ready. With a place, the first that gets there dies there."""
        self.begins(place, nth, *flags, **wishes)
        for process in self.processes:
            process.is_ready()

    def begins(self, place: str = "", nth: int = 1, *flags: str, ahead: float = 0.0, **wishes: object) -> None:
        """Start every process, and wait for none. Further wishes are `held`, and flags; see the process."""
        keeper(self.url).clear(self.url, ahead)
        told = [f"--place={place}", f"--nth={nth}", f"--ahead={ahead}", *flags]
        told += [f"--{name}={wish}" for name, wish in wishes.items()]
        self.processes = [self.starts(role, *told) for role in self.roles]

    def loses(self, which: int) -> None:
        """kill -9 for one of them; the others go on."""
        self.processes[which].gets(SIGKILL)
        self.processes[which].ends()
        assert self.processes[which].was_killed, self.said

    def replaces(self, which: int, place: str, nth: int) -> None:
        """Start one anew in the place of one that was lost, and wait for nothing."""
        self.processes[which] = self.starts(self.roles[which], f"--place={place}", f"--nth={nth}")

    def starts(self, role: str, *wishes: str) -> Child:
        arguments = [f"--url={self.url}", f"--folder={self.folder}", f"--role={role}", f"--stale={self.stale}"]
        arguments += wishes
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

    def wakes(self) -> None:
        """Whoever stood still goes on."""
        for process in self.processes:
            process.gets(SIGCONT)

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
        with reading(self.url) as look:
            until(lambda: occurrences(look, kind) >= times, lambda: f"no {kind} came: {self.said}")

    def comes_to_rest(self, within: float = PATIENCE) -> None:
        """Wait until no thread wants anything of anybody."""
        with reading(self.url) as look:
            until(lambda: not restless(look), lambda: f"at work: {restless(look)}\n{self.said}", within)
