"""The deployed repository: a bare clone of the remote beside our own files, fetched before every look."""

import fcntl
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from threading import Lock

from agents.deploy.git import NETWORK_SECONDS, Ended, Git
from agents.deploy.releases import Release, releases_in
from agents.deploy.view import Commit, Tag, View
from agents.errors import Misconfigured, Unreachable

NOTES = "refs/notes/releases"
SPARES = 3
"""Clones beside the first; each costs a fetch of everything when it is made."""
TRIES = 40
"""How often to look whether the first clone has become free, before a spare one is taken."""
_PAUSE = 0.05
_TURNS: defaultdict[Path, Lock] = defaultdict(Lock)
SPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")

_TAG_FORMAT = "%00".join(
    f"%({field})"
    for field in (
        *("refname:strip=2", "objectname", "objecttype", "*objectname", "*objecttype"),
        *("creatordate:iso-strict", "contents:subject"),
    )
)
_OVERTAKEN = re.compile(r"stale info|cannot lock ref|failed to (?:update|lock) ref|incorrect old value|fetch first")


@dataclass(frozen=True)
class Repository:
    """The clone, held by us alone while `opened` lasts. Every method may raise ToolError or Unreachable."""

    git: Git

    def look(self) -> View:
        """Fetch, and see what is there."""
        fetch = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "origin", *SPECS)
        self.git.do(*fetch, seconds=NETWORK_SECONDS)
        notes = self.git.attempt("rev-parse", "--verify", "--quiet", NOTES).out.strip()
        return View(tags=self._tags(), releases=self._releases() if notes else (), notes=notes)

    def commits(self, limit: int) -> tuple[Commit, ...]:
        """The newest commits of the remote's default branch, or of all branches when it names none."""
        head = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", self._remote_head(), re.MULTILINE)
        wanted = head[1] if head else "--branches"
        log = self.git.do("log", "-z", f"--max-count={limit}", "--format=%H%x00%cI%x00%an%x00%s", wanted, "--")
        fields = iter(log.removesuffix("\0").split("\0") if log else ())
        return tuple(Commit(*four) for four in zip(fields, fields, fields, fields, strict=True))

    def has(self, commit: str) -> bool:
        """Whether a full commit id is here."""
        return self.git.attempt("cat-file", "-e", f"{commit}^{{commit}}").code == 0

    def push(self, release: Release, seen: View) -> bool:
        """Move the environment's tag and write the record, on the remote, both or neither.

        False when either is no longer as it was seen: the remote compares them, so that nobody is overwritten.
        """
        self._write(release)
        tag, standing = f"refs/tags/{release.environment}", seen.standing(release.environment)
        leases = (
            f"--force-with-lease={tag}:{standing.id if standing else ''}",
            f"--force-with-lease={NOTES}:{seen.notes}",
        )
        push = ("push", "--porcelain", "--atomic", *leases, "origin", f"{release.commit}:{tag}", f"{NOTES}:{NOTES}")
        return self._pushed(self.git.attempt(*push, seconds=NETWORK_SECONDS))

    def _pushed(self, ended: Ended) -> bool:
        if ended.code == 0:
            return True
        if _OVERTAKEN.search(ended.out) or _OVERTAKEN.search(ended.err):
            return False
        refused = [line.split("\t")[-1] for line in ended.out.splitlines() if line.startswith("!")]
        raise self.git.complaint(Ended(ended.code, ended.out, f"{ended.err}\nerror: {', '.join(refused)}"))

    def _write(self, release: Release) -> None:
        """Add the record's line to the commit's note in the clone; what the note held stays."""
        note = self.git.attempt("notes", f"--ref={NOTES}", "show", release.commit)
        if note.code != 0 and "no note found" not in note.err:
            raise self.git.complaint(note)
        lines = f"{note.out}{release.line()}\n"
        self.git.do("notes", f"--ref={NOTES}", "add", "--force", "--file=-", release.commit, given=lines)

    def _tags(self) -> tuple[Tag, ...]:
        listed = self.git.do("for-each-ref", f"--format={_TAG_FORMAT}", "--sort=-creatordate", "refs/tags")
        return tuple(tag for line in listed.split("\n") if line and (tag := _tag(line.split("\0"))) is not None)

    def _releases(self) -> tuple[Release, ...]:
        listed = self.git.do("ls-tree", "-r", NOTES)  # lines of "mode type id<TAB>path"
        blobs = [line.split()[2] for line in listed.split("\n") if line]
        return releases_in(self.git.do("cat-file", "--batch", given="\n".join(blobs)))

    def _remote_head(self) -> str:
        return self.git.do("ls-remote", "--symref", "origin", "HEAD")


@contextmanager
def opened(environment: Mapping[str, str], tries: int = TRIES) -> Iterator[Repository]:
    """A clone of DEPLOY_REPO in DEPLOY_CACHE, ours alone until the end, in whichever process the others are."""
    if not (environment.get("DEPLOY_REPO") and environment.get("DEPLOY_CACHE")):
        raise Misconfigured("The deploy tools need DEPLOY_REPO and DEPLOY_CACHE; set_up of the agent gives both.")
    with _held(Path(environment["DEPLOY_CACHE"]), tries) as folder:
        git = Git(folder, environment["DEPLOY_REPO"], environment)
        made_once(git.folder, lambda made: empty_repository(made, environment))
        _unlocked(git.folder)
        yield Repository(git)


@contextmanager
def _held(folder: Path, tries: int) -> Iterator[Path]:
    """The clone, or a spare one when whoever has it does not let go: it may stand still, and be taken for dead."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    spares = (folder.with_name(f"{folder.stem}-{number}.git") for number in range(2, 2 + SPARES))
    with _turn(folder, tries * _PAUSE) as first:
        for candidate in chain(repeat(folder, tries if first else 0), spares):
            with _tried(candidate) as held:
                if held:
                    yield candidate
                    return
            if candidate is folder:
                time.sleep(_PAUSE)
    raise Unreachable("every clone of the repository is in use: try again in a moment")


@contextmanager
def _turn(folder: Path, seconds: float) -> Iterator[bool]:
    """Whether it is ours among the threads of this process, which need not ask the file again and again."""
    lock = _TURNS[folder]
    first = lock.acquire(timeout=seconds)
    try:
        yield first
    finally:
        if first:
            lock.release()


@contextmanager
def _tried(folder: Path) -> Iterator[bool]:
    with folder.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def made_once(folder: Path, make: Callable[[Path], object]) -> None:
    """Make a folder where there is none: complete or not at all, and by the first of those who try together."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True) as draft:
        made = Path(draft) / folder.name
        make(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def empty_repository(folder: Path, environment: Mapping[str, str]) -> Git:
    """A new bare repository, with nothing from the machine's git templates."""
    git = Git(folder, environment=environment)
    git.do("init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=main")
    return git


def _unlocked(folder: Path) -> None:
    """Remove the lock files of a git that was killed: while we hold the clone nobody else is at work in it."""
    for stale in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
        stale.unlink(missing_ok=True)


def _tag(fields: list[str]) -> Tag | None:
    name, own, own_type, peeled, peeled_type, at, subject = fields
    if "commit" not in (own_type, peeled_type):
        return None
    return Tag(name=name, id=own, commit=peeled or own, at=at, subject=subject.strip())
