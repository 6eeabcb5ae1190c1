"""The machine: Python, git, and the folder that is Handrail's own."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator

from bot.doctor.finding import Finding
from bot.settings import FOLDER

OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 32)  # the first that takes GIT_CONFIG_COUNT and the rest of what agents/deploy sets
_SECONDS = 10


def machine() -> Iterator[Finding]:
    """What must be there before anything can start."""
    yield python(sys.version_info[:2])
    yield git(shutil.which("git"))
    yield folder()


def python(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    told = f"Python {'.'.join(map(str, version))}"
    if version < OLDEST_PYTHON:
        return Finding(name="python", state="problem", told=f"{told} is too old", fix="install Python 3.11 or newer")
    return Finding(name="python", state="ok", told=told)


def git(program: str | None) -> Finding:
    """Whether git is there and new enough."""
    fix = "install git 2.32 or newer where PATH finds it"
    if program is None:
        return Finding(name="git", state="problem", told="the git program is missing", fix=fix)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    found = re.search(r"(\d{1,9})\.(\d{1,9})", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        return Finding(name="git", state="problem", told=f"{told.strip() or program} is too old", fix=fix)
    return Finding(name="git", state="ok", told=told.strip())


def folder() -> Finding:
    """Whether our folder can be written, and by us alone."""
    where = FOLDER.resolve()
    if not FOLDER.exists():
        return _parent_of_folder()
    if not FOLDER.is_dir() or not os.access(FOLDER, os.W_OK | os.X_OK):
        fix = f"give it to the user that runs Handrail: chown -R USER {where}"
        return Finding(name="folder", state="problem", told=f"{where} cannot be written", fix=fix)
    if stat.S_IMODE(FOLDER.stat().st_mode) & 0o077:
        fix = f"chmod 700 {where}"
        return Finding(name="folder", state="warning", told=f"{where} holds secrets and others can look in", fix=fix)
    return Finding(name="folder", state="ok", told=f"{where} is ours alone")


def _parent_of_folder() -> Finding:
    parent = FOLDER.resolve().parent
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding(name="folder", state="ok", told=f"{FOLDER} will be made in {parent}")
    fix = "start in a folder you may write"
    return Finding(name="folder", state="problem", told=f"{FOLDER} cannot be made in {parent}", fix=fix)
