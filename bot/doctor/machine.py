"""The machine: Python, git, and the folder that is Handrail's own."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator

from bot.doctor.finding import Finding
from bot.settings import DATA_DIR

MIN_PYTHON_VERSION = (3, 11)
MIN_GIT_VERSION = (2, 32)  # the first that takes GIT_CONFIG_COUNT and the rest of what agents/deploy sets
_GIT_TIMEOUT_SECONDS = 10


def check_machine() -> Iterator[Finding]:
    """What must be there before anything can start."""
    yield check_python(sys.version_info[:2])
    yield check_git(shutil.which("git"))
    yield check_data_dir()


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    told = f"Python {'.'.join(map(str, version))}"
    if version < MIN_PYTHON_VERSION:
        return Finding(name="python", state="problem", message=f"{told} is too old", fix="install Python 3.11 or newer")
    return Finding(name="python", state="ok", message=told)


def check_git(program: str | None) -> Finding:
    """Whether git is there and new enough."""
    fix = "install git 2.32 or newer where PATH finds it"
    if program is None:
        return Finding(name="git", state="problem", message="the git program is missing", fix=fix)
    told = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECONDS, check=False
    ).stdout
    found = re.search(r"(\d{1,9})\.(\d{1,9})", told)
    if found is None or (int(found[1]), int(found[2])) < MIN_GIT_VERSION:
        return Finding(name="git", state="problem", message=f"{told.strip() or program} is too old", fix=fix)
    return Finding(name="git", state="ok", message=told.strip())


def check_data_dir() -> Finding:
    """Whether our folder can be written, and by us alone."""
    where = DATA_DIR.resolve()
    if not DATA_DIR.exists():
        return _check_parent_directory()
    if not DATA_DIR.is_dir() or not os.access(DATA_DIR, os.W_OK | os.X_OK):
        fix = f"give it to the user that runs Handrail: chown -R USER {where}"
        return Finding(name="folder", state="problem", message=f"{where} cannot be written", fix=fix)
    if stat.S_IMODE(DATA_DIR.stat().st_mode) & 0o077:
        fix = f"chmod 700 {where}"
        return Finding(name="folder", state="warning", message=f"{where} holds secrets and others can look in", fix=fix)
    return Finding(name="folder", state="ok", message=f"{where} is ours alone")


def _check_parent_directory() -> Finding:
    parent = DATA_DIR.resolve().parent
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding(name="folder", state="ok", message=f"{DATA_DIR} will be made in {parent}")
    fix = "start in a folder you may write"
    return Finding(name="folder", state="problem", message=f"{DATA_DIR} cannot be made in {parent}", fix=fix)
