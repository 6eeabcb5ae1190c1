"""Checks of the machine: Python, git and Handrail's data folder."""

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
MIN_GIT_VERSION = (2, 32)  # the first with GIT_CONFIG_COUNT and the other settings of agents/deploy
_GIT_TIMEOUT_SECONDS = 10


def check_machine() -> Iterator[Finding]:
    """Yield findings about everything that must exist before Handrail can start."""
    yield check_python(sys.version_info[:2])
    yield check_git(shutil.which("git"))
    yield check_data_dir()


def check_python(version: tuple[int, ...]) -> Finding:
    """Return whether this Python is new enough."""
    name = f"Python {'.'.join(map(str, version))}"
    if version < MIN_PYTHON_VERSION:
        return Finding(name="python", state="problem", message=f"{name} is too old", fix="install Python 3.11 or newer")
    return Finding(name="python", state="ok", message=name)


def check_git(program: str | None) -> Finding:
    """Return whether git is installed and new enough."""
    fix = "install git 2.32 or newer in a folder of PATH"
    if program is None:
        return Finding(name="git", state="problem", message="the git program is missing", fix=fix)
    output = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECONDS, check=False
    ).stdout
    version = re.search(r"(\d{1,9})\.(\d{1,9})", output)
    if version is None or (int(version[1]), int(version[2])) < MIN_GIT_VERSION:
        return Finding(name="git", state="problem", message=f"{output.strip() or program} is too old", fix=fix)
    return Finding(name="git", state="ok", message=output.strip())


def check_data_dir() -> Finding:
    """Return whether Handrail's data folder is writable, and only by its owner."""
    path = DATA_DIR.resolve()
    if not DATA_DIR.exists():
        return _check_parent_directory()
    if not DATA_DIR.is_dir() or not os.access(DATA_DIR, os.W_OK | os.X_OK):
        fix = f"make the user that runs Handrail its owner: chown -R USER {path}"
        return Finding(name="folder", state="problem", message=f"{path} cannot be written", fix=fix)
    if stat.S_IMODE(DATA_DIR.stat().st_mode) & 0o077:
        message = f"{path} contains secrets and other users can read it"
        return Finding(name="folder", state="warning", message=message, fix=f"chmod 700 {path}")
    return Finding(name="folder", state="ok", message=f"{path} is accessible only to its owner")


def _check_parent_directory() -> Finding:
    parent = DATA_DIR.resolve().parent
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding(name="folder", state="ok", message=f"{DATA_DIR} will be created in {parent}")
    fix = "start Handrail in a folder that you can write to"
    return Finding(name="folder", state="problem", message=f"{DATA_DIR} cannot be created in {parent}", fix=fix)
