"""Local bare clone of the remote repository, fetched before every use. Spare clones serve while the first is locked."""

import fcntl
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from agents.core.errors import ConfigurationError, Unavailable
from agents.deploy.git import NETWORK_TIMEOUT_SECONDS, Git, GitResult
from agents.deploy.releases import Release, parse_releases
from agents.deploy.snapshot import Commit, RepositorySnapshot, Tag

NOTES_REF = "refs/notes/releases"
MAX_SPARE_CLONES = 3
"""Clones besides the first; each one starts with a full fetch."""
MAX_LOCK_ATTEMPTS = 40
"""Attempts to lock the first clone before a spare clone is used."""
_LOCK_RETRY_SECONDS = 0.05
FETCH_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*")

_TAG_FORMAT = "%00".join(
    f"%({field})"
    for field in (
        *("refname:strip=2", "objectname", "objecttype", "*objectname", "*objecttype"),
        *("creatordate:iso-strict", "contents:subject"),
    )
)
_PUSH_CONFLICT = re.compile(r"stale info|cannot lock ref|failed to (?:update|lock) ref|incorrect old value|fetch first")


@dataclass(frozen=True)
class Repository:
    """A clone, locked for this caller by `open_repository`. Every method may raise ToolError or Unavailable."""

    git: Git

    def fetch_snapshot(self) -> RepositorySnapshot:
        """Fetch from the remote and return its tags and release records."""
        fetch = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "origin", *FETCH_REFSPECS)
        self.git.run(*fetch, timeout=NETWORK_TIMEOUT_SECONDS)
        notes = self.git.run_unchecked("rev-parse", "--verify", "--quiet", NOTES_REF).stdout.strip()
        return RepositorySnapshot(
            tags=self._list_tags(), releases=self._list_releases() if notes else (), notes_id=notes
        )

    def list_commits(self, limit: int) -> tuple[Commit, ...]:
        """Return the newest commits of the remote's default branch, or of all branches when it has none."""
        head = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", self._fetch_remote_head(), re.MULTILINE)
        revision = head[1] if head else "--branches"
        log = self.git.run("log", "-z", f"--max-count={limit}", "--format=%H%x00%cI%x00%an%x00%s", revision, "--")
        fields = iter(log.removesuffix("\0").split("\0") if log else ())
        return tuple(Commit(*values) for values in zip(fields, fields, fields, fields, strict=True))

    def has_commit(self, commit: str) -> bool:
        """Return whether the clone has this commit (a full id)."""
        return self.git.run_unchecked("cat-file", "-e", f"{commit}^{{commit}}").exit_code == 0

    def push_release(self, release: Release, snapshot: RepositorySnapshot) -> bool:
        """Move the environment's tag and push the record to the remote atomically.

        Return False when the remote's tag or records differ from the snapshot. The remote compares them itself, so no
        other push is overwritten.
        """
        self._write_note(release)
        tag, current = f"refs/tags/{release.environment}", snapshot.environment_tag(release.environment)
        leases = (
            f"--force-with-lease={tag}:{current.object_id if current else ''}",
            f"--force-with-lease={NOTES_REF}:{snapshot.notes_id}",
        )
        push = (
            "push",
            "--porcelain",
            "--atomic",
            *leases,
            "origin",
            f"{release.commit}:{tag}",
            f"{NOTES_REF}:{NOTES_REF}",
        )
        return self._is_push_accepted(self.git.run_unchecked(*push, timeout=NETWORK_TIMEOUT_SECONDS))

    def _is_push_accepted(self, result: GitResult) -> bool:
        """Return False when the remote has changed since the fetch. Raises the error of any other failure."""
        if result.exit_code == 0:
            return True
        if _PUSH_CONFLICT.search(result.stdout) or _PUSH_CONFLICT.search(result.stderr):
            return False
        rejected = [line.split("\t")[-1] for line in result.stdout.splitlines() if line.startswith("!")]
        raise self.git.to_error(
            GitResult(result.exit_code, result.stdout, f"{result.stderr}\nerror: {', '.join(rejected)}")
        )

    def _write_note(self, release: Release) -> None:
        """Append the record's line to the commit's note in the clone."""
        note = self.git.run_unchecked("notes", f"--ref={NOTES_REF}", "show", release.commit)
        if note.exit_code != 0 and "no note found" not in note.stderr:
            raise self.git.to_error(note)
        lines = f"{note.stdout}{release.to_line()}\n"
        self.git.run("notes", f"--ref={NOTES_REF}", "add", "--force", "--file=-", release.commit, stdin=lines)

    def _list_tags(self) -> tuple[Tag, ...]:
        output = self.git.run("for-each-ref", f"--format={_TAG_FORMAT}", "--sort=-creatordate", "refs/tags")
        return tuple(tag for line in output.split("\n") if line and (tag := _to_tag(line.split("\0"))) is not None)

    def _list_releases(self) -> tuple[Release, ...]:
        output = self.git.run("ls-tree", "-r", NOTES_REF)  # lines of "mode type id<TAB>path"
        blobs = [line.split()[2] for line in output.split("\n") if line]
        return parse_releases(self.git.run("cat-file", "--batch", stdin="\n".join(blobs)))

    def _fetch_remote_head(self) -> str:
        return self.git.run("ls-remote", "--symref", "origin", "HEAD")


@contextmanager
def open_repository(environment: Mapping[str, str], max_attempts: int = MAX_LOCK_ATTEMPTS) -> Iterator[Repository]:
    """Yield a clone of DEPLOY_REPO in DEPLOY_CACHE, locked against other threads and processes.

    Raises ConfigurationError without these variables, and Unavailable when all clones are in use.
    """
    if not (environment.get("DEPLOY_REPO") and environment.get("DEPLOY_CACHE")):
        raise ConfigurationError("The deploy tools need DEPLOY_REPO and DEPLOY_CACHE; the agent's set_up returns both.")
    with _locked_clone(Path(environment["DEPLOY_CACHE"]), max_attempts) as folder:
        git = Git(folder, environment["DEPLOY_REPO"], environment)
        create_once(git.folder, lambda draft: create_empty_repository(draft, environment))
        _remove_stale_locks(git.folder)
        yield Repository(git)


@contextmanager
def _locked_clone(folder: Path, max_attempts: int) -> Iterator[Path]:
    """Yield the clone, or a spare one when the clone stays locked.

    A stopped worker process keeps its lock, and cannot apply the timeout of its tool call.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    spares = (folder.with_name(f"{folder.stem}-{number}.git") for number in range(2, 2 + MAX_SPARE_CLONES))
    for candidate in chain(repeat(folder, max_attempts), spares):
        with _file_lock(candidate) as is_locked:
            if is_locked:
                yield candidate
                return
        if candidate is folder:
            time.sleep(_LOCK_RETRY_SECONDS)
    raise Unavailable("every clone of the repository is in use: try again in a moment")


@contextmanager
def _file_lock(folder: Path) -> Iterator[bool]:
    """Yield whether the clone was locked; flock also separates the threads of a process, each with its own file."""
    with folder.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def create_once(folder: Path, create: Callable[[Path], object]) -> None:
    """Create a folder atomically unless it exists. When several callers try, the first one wins."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True
    ) as parent:
        draft = Path(parent) / folder.name
        create(draft)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def create_empty_repository(folder: Path, environment: Mapping[str, str]) -> Git:
    """Create a bare repository without the machine's git templates."""
    git = Git(folder, environment=environment)
    git.run("init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=main")
    return git


def _remove_stale_locks(folder: Path) -> None:
    """Remove lock files of a killed git process. This is safe because this caller holds the lock of the clone."""
    for stale in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
        stale.unlink(missing_ok=True)


def _to_tag(fields: list[str]) -> Tag | None:
    name, object_id, object_type, peeled_id, peeled_type, tagged_at, subject = fields
    if "commit" not in (object_type, peeled_type):
        return None
    return Tag(
        name=name, object_id=object_id, commit=peeled_id or object_id, tagged_at=tagged_at, subject=subject.strip()
    )
