"""Import of agents: packages, folders with agents, and entry points. A failure of one does not affect the others.

A folder outside the installed packages becomes the path of a package whose name is derived from the folder, so that
modules of different folders, and modules named like other packages (`agents/email`), cannot clash. The name is the same
in all processes.
"""

import importlib
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from agents.core.agent import Agent
from agents.core.config_issues import ConfigIssue
from agents.core.errors import ConfigurationError

BUILT_IN = "built-in"
VARIABLE = "HANDRAIL_AGENTS"
_ENTRY_POINT_PREFIX = "entry point "
"""Start of the `source` of an agent that an entry point names."""
_OWN_PACKAGE_FOLDER = Path(__file__).parents[1].resolve()


@dataclass(frozen=True)
class LoadedAgent:
    """Result of importing one agent. `agent` is None on failure; then `issues` has the reasons.

    `source` is what named the agent: `built-in`, an entry of HANDRAIL_AGENTS or an entry point. `file` is the
    `__init__.py` that exports it. `name` is that of the agent, or of its folder (`name_hint`) when it could not be
    imported.
    """

    file: str
    agent: Agent | None = None
    issues: tuple[ConfigIssue, ...] = ()
    source: str = BUILT_IN
    name_hint: str | None = None

    @property
    def name(self) -> str | None:
        return self.name_hint if self.agent is None else self.agent.name

    @property
    def is_built_in(self) -> bool:
        return self.source == BUILT_IN


def load_entry(entry: str) -> tuple[LoadedAgent, ...]:
    """Return the agents of an entry of HANDRAIL_AGENTS: a folder with agents, or an importable package.

    A relative folder is relative to the working directory.
    """
    return _load_folder(entry) if is_folder_entry(entry) else load_package(entry, entry)


def load_entry_point(entry_point: EntryPoint) -> tuple[LoadedAgent, ...]:
    """Return the agents of an entry point, whose value names a package or the agents in it (`acme.ops:AGENT`)."""
    owner = f" of {entry_point.dist.name}" if entry_point.dist is not None else ""
    source = f"{_ENTRY_POINT_PREFIX}{entry_point.name}{owner}"
    if not entry_point.attr:
        return load_package(entry_point.module, source)
    file = _package_file(entry_point.module)
    try:
        value = entry_point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of an agent may raise anything
        return (_failed_agent(entry_point.module, file, error, source),)
    return _to_loaded_agents(value, file, source, name=entry_point.attr)


def load_package(package: str, source: str = BUILT_IN) -> tuple[LoadedAgent, ...]:
    """Return the agents of a package: its `AGENT`, else its `AGENTS`, else the agents of its subpackages."""
    file = _package_file(package)
    try:
        module = import_module(package)
        exported = next((name for name in ("AGENT", "AGENTS") if hasattr(module, name)), None)
        subpackages = () if exported else tuple(_find_subpackages(module))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of an agent may raise anything
        return (_failed_agent(package, file, error, source),)
    if exported:
        return _to_loaded_agents(getattr(module, exported), file, source, name=exported)
    found = tuple(loaded for name in subpackages for loaded in load_package(name, source))
    return found or (_rejected(file, source, "has no AGENT; write AGENT = Agent(...)", package.rpartition(".")[2]),)


def _find_subpackages(module: ModuleType) -> Iterator[str]:
    for location in map(Path, getattr(module, "__path__", ())):
        for folder in find_agent_folders(location) if location.is_dir() else ():
            yield ".".join((module.__name__, *folder.relative_to(location).parts))


def _load_folder(entry: str) -> tuple[LoadedAgent, ...]:
    try:
        folder = Path(entry).expanduser().resolve()
    except RuntimeError:  # `~name` of a user who does not exist, or a loop of symbolic links
        return (_rejected_entry(entry, "is not a path on this machine; correct it"),)
    if folder == _OWN_PACKAGE_FOLDER:
        return (_rejected_entry(entry, "is Handrail's own package; put your agents into another folder"),)
    try:
        folders = [folder] if is_agent_folder(folder) else list(find_agent_folders(folder))
    except OSError as error:
        advice = "create it with `handrail agents new NAME --in FOLDER`, or remove it here"
        return (_rejected_entry(entry, f"cannot be read ({error.strerror}); {advice}"),)
    base = folder.parent if folders == [folder] else folder
    package = mount_folder(base)
    loaded = tuple(one for found in folders for one in _load_agent_folder(package, found, base, entry))
    if loaded:
        return loaded
    return (_rejected_entry(entry, "has no agents; create one with `handrail agents new NAME --in FOLDER`"),)


def _load_agent_folder(package: str, folder: Path, base: Path, source: str) -> tuple[LoadedAgent, ...]:
    parts = folder.relative_to(base).parts
    if any("." in part for part in parts):  # Python would take the part before the dot for a package
        return (_rejected(str(folder), source, "has a dot in its name; rename the folder", folder.name),)
    return load_package(".".join((package, *parts)), source)


def _to_loaded_agents(value: Any, file: str, source: str, *, name: str) -> tuple[LoadedAgent, ...]:
    if isinstance(value, Agent):
        return (LoadedAgent(file, value, source=source),)
    if isinstance(value, Sequence) and value and all(isinstance(item, Agent) for item in value):
        return tuple(LoadedAgent(file, agent, source=source) for agent in value)
    kind = "a tuple of agents" if name == "AGENTS" else "an Agent"
    message = f"has no agent in {name}, but {type(value).__name__}; it must be {kind}"
    return (_rejected(file, source, message, Path(file).parent.name),)


def _rejected_entry(entry: str, problem: str) -> LoadedAgent:
    return LoadedAgent(entry, issues=(ConfigIssue(key=VARIABLE, message=f"{entry} {problem}"),), source=entry)


def _rejected(file: str, source: str, message: str, name_hint: str) -> LoadedAgent:
    return LoadedAgent(file, issues=(ConfigIssue(file=file, message=message),), source=source, name_hint=name_hint)


def _failed_agent(package: str, file: str, error: BaseException, source: str) -> LoadedAgent:
    name = package.rpartition(".")[2]
    if isinstance(error, ConfigurationError):
        issues = tuple(error.details or [ConfigIssue(file=file, message=str(error))])
    elif source != BUILT_IN and isinstance(error, ModuleNotFoundError) and f"{package}.".startswith(f"{error.name}."):
        issues = (_missing_package_issue(package, source),)
    else:
        issues = (_import_issue(file, error),)
    return LoadedAgent(file, issues=issues, source=source, name_hint=name)


def _missing_package_issue(package: str, source: str) -> ConfigIssue:
    if source.startswith(_ENTRY_POINT_PREFIX):
        key, advice = source, "reinstall the distribution, or remove its entry point"
    else:
        key, advice = VARIABLE, f"install it in Handrail's environment, or write ./{package} if it is a folder"
    return ConfigIssue(key=key, message=f"there is no package {package}; {advice}")


def _package_file(package: str) -> str:
    try:
        spec = find_spec(package)
    except Exception:  # noqa: BLE001 - it imports the package's parents, which may raise anything
        spec = None
    return (spec and spec.origin) or package


def _import_issue(file: str, error: BaseException) -> ConfigIssue:
    """Return the mistake at the line of the agent's own code, not the line in a library that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return ConfigIssue(file=error.filename, line=error.lineno, message=f"cannot be imported: {error.msg}")
    message = f"cannot be imported: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("agents."):
        message += "; import the modules of an agent's own folder with a dot, like `from .tools import …`"
    frames = traceback.extract_tb(error.__traceback__) if Path(file).is_absolute() else []
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(file).parent)]
    if not own_frames:
        return ConfigIssue(file=file, message=message)
    return ConfigIssue(file=own_frames[-1].filename, line=own_frames[-1].lineno, message=message)


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
