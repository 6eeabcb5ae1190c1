"""The bare remote the deploy agent works on, as git sees it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Repository:
    """`moves` are only known from `remembers_moves` on."""

    path: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Repository":
        """The one a server makes in its folder."""
        return cls(folder / ".handrail" / "sample" / "remote.git")

    def tag_commit(self, name: str) -> str:
        """The full id of the commit a tag stands at."""
        return self.run_git("rev-parse", "--verify", f"refs/tags/{name}^{{commit}}")

    def release_records(self, commit: str) -> list[str]:
        """The release records in the note of a commit."""
        return self.run_git("notes", "--ref=releases", "show", commit).splitlines()

    def enable_reflog(self) -> None:
        self.run_git("config", "core.logAllRefUpdates", "always")

    def tag_history(self, name: str) -> list[str]:
        """Where a tag was moved to, one after the other."""
        log = self.path / "logs" / "refs" / "tags" / name
        return [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []

    def run_git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()
