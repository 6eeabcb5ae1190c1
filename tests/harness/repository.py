"""Bare git repository that the deploy agent works on."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Repository:
    """A repository, read by running git. `tag_history` knows only changes after `enable_reflog`."""

    path: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Repository":
        """Return the sample repository that a server creates in its folder."""
        return cls(folder / ".handrail" / "sample" / "remote.git")

    def tag_commit(self, name: str) -> str:
        """Return the full commit id of a tag."""
        return self.run_git("rev-parse", "--verify", f"refs/tags/{name}^{{commit}}")

    def release_records(self, commit: str) -> list[str]:
        """Return the release records in the git note of a commit."""
        return self.run_git("notes", "--ref=releases", "show", commit).splitlines()

    def enable_reflog(self) -> None:
        self.run_git("config", "core.logAllRefUpdates", "always")

    def tag_history(self, name: str) -> list[str]:
        """Return the commits that a tag was moved to, in order."""
        log = self.path / "logs" / "refs" / "tags" / name
        return [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []

    def run_git(self, *arguments: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(self.path), *arguments], capture_output=True, text=True, check=True, timeout=90
        )
        return result.stdout.strip()
