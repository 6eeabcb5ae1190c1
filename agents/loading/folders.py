"""Folders with agents outside the installed packages: search for agents, and make their modules importable.

A mounted folder becomes the path of a package whose name is derived from the folder, so that modules of different
folders, and modules named like other packages (`agents/email`), cannot clash. The name is the same in all processes.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

INSTRUCTIONS_FILE = "instructions.md"
_PACKAGE_PREFIX = "handrail_folder_"
_SKIPPED_FOLDERS = frozenset({"node_modules", "site-packages"})
_EXPORT_PATTERN = re.compile(r"\bAGENTS?\b")


def is_folder_entry(entry: str) -> bool:
    """Return whether an entry of HANDRAIL_AGENTS is a path; otherwise it is the name of a package."""
    return entry.startswith((".", "~")) or "/" in entry or "\\" in entry


def is_agent_folder(folder: Path) -> bool:
    """Return whether the folder is a package that exports an agent, or has instructions and is thus meant to."""
    source = folder / "__init__.py"
    if not source.is_file():
        return False
    return (folder / INSTRUCTIONS_FILE).is_file() or _EXPORT_PATTERN.search(_read_source(source)) is not None


def find_agent_folders(folder: Path) -> Iterator[Path]:
    """Yield the agent folders below a folder, in the order of their names. Raises OSError.

    Hidden folders and those whose name begins with `_` are skipped, and agent folders are not searched further.
    """
    yield from _search(folder, {folder.resolve()})


def _search(folder: Path, visited: set[Path]) -> Iterator[Path]:
    for child in sorted(folder.iterdir()):
        if child.name.startswith((".", "_")) or child.name in _SKIPPED_FOLDERS or not child.is_dir():
            continue
        if (resolved := child.resolve()) in visited:  # a symbolic link to a folder that contains it
            continue
        visited.add(resolved)
        if is_agent_folder(child):
            yield child
        else:
            yield from _search(child, visited)


def _read_source(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def mount_folder(folder: Path) -> str:
    """Make the packages in a folder importable below a package of their own, and return its name."""
    resolved = folder.resolve()
    name = f"{_PACKAGE_PREFIX}{sha256(str(resolved).encode(errors='surrogateescape')).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(resolved)]
        sys.modules[name] = module_from_spec(spec)
    importlib.invalidate_caches()  # files may be newer than the last import from this folder
    return name


def mounted_folder(module: str) -> str | None:
    """Return the mounted folder that a module was imported from; None if it is importable without mounting."""
    root = module.partition(".")[0]
    return next(iter(sys.modules[root].__path__)) if root.startswith(_PACKAGE_PREFIX) else None
