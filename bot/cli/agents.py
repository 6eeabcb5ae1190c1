"""`handrail agents`: list the agents and those left out, create a new one, check all."""

import keyword
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, BadParameter, Exit, Option, Typer, echo

from agents.core.agent import Agent
from agents.core.errors import Conflict, HandrailError
from agents.loading.sources import LoadedAgent, is_agent_folder, is_folder_entry
from agents.loading.template import EXAMPLE_MESSAGE, agent_files
from agents.registry import AgentRegistry
from bot.cli.output import JsonOption, print_issues, print_json, print_message, print_view
from bot.config.installation import load_agents
from bot.config.settings import Settings, load_settings
from channels.terminal.views import table

app = Typer(no_args_is_help=True, help="List, create and check agents.")

_NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_BUILT_IN_FOLDER = Path(__file__).resolve().parents[2] / "agents"

NameArgument = Annotated[str, Argument(metavar="NAME", help="The name of the new agent, for example oncall.")]
FolderOption = Annotated[
    Path | None,
    Option("--in", metavar="FOLDER", help="The folder for it; default: the first one in HANDRAIL_AGENTS, or ./agents."),
]


@app.command("list")
def list_agents(*, as_json: JsonOption = False) -> None:
    """List the agents and where each was loaded from, and those that were left out and why."""
    settings = load_settings()
    registry = load_agents(settings)
    if as_json:
        return print_json([_to_json(loaded) for loaded in (*registry.loaded, *registry.left_out)])
    rows = [_to_row(loaded.agent, loaded.source) for loaded in registry.loaded if loaded.agent is not None]
    print_view(settings, table(("agent", "purpose", "from", "tools", "commands"), rows))
    if registry.left_out:
        left_out = [(one.name or "", one.source, str(issue)) for one in registry.left_out for issue in one.issues]
        print_view(settings, table(("left out", "from", "why"), left_out))
    return None


def _to_row(agent: Agent, source: str) -> tuple[str, ...]:
    tools = ", ".join(tool.name for tool in agent.tools)
    return agent.name, agent.purpose, source, tools, str(len(agent.commands.commands))


def _to_json(loaded: LoadedAgent) -> dict[str, Any]:
    agent = loaded.agent
    return {
        "name": loaded.name,
        "purpose": agent and agent.purpose,
        "source": loaded.source,
        "file": loaded.file,
        "tools": [tool.name for tool in agent.tools] if agent else [],
        "commands": len(agent.commands.commands) if agent else 0,
        "state": "left_out" if loaded.issues else "loaded",
        "issues": [issue.model_dump() for issue in loaded.issues],
    }


@app.command()
def check(*, as_json: JsonOption = False) -> None:
    """Report every mistake in an agent with its file and line. Exits with 1 when there is one."""
    registry = load_agents(load_settings())
    issues = [*registry.built_in_issues, *registry.other_issues]
    print_issues(issues, as_json=as_json)
    if issues:
        raise Exit(1)
    print_message("no mistakes")


@app.command()
def new(name: NameArgument, *, parent: FolderOption = None, as_json: JsonOption = False) -> None:
    """Write the folder of a new agent with a tool, instructions, commands and a test, and say what to do next."""
    _check_name(name)
    settings = load_settings()
    registry = load_agents(settings)
    folder = (parent or _default_parent(settings)).expanduser() / name
    _check_is_free(name, folder, registry)
    files = agent_files(name)
    _write(folder, files)
    if as_json:
        return print_json({"name": name, "folder": str(folder), "files": list(files)})
    for file in files:
        echo(str(folder / file))
    return print_message("\n".join(_next_steps(name, folder, settings)))


def _check_name(name: str) -> None:
    if not _NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise BadParameter("a name has 1 to 40 of a-z, 0-9 and _, begins with a letter and is no word of Python")


def _default_parent(settings: Settings) -> Path:
    entries = [Path(entry) for entry in settings.handrail_agents if is_folder_entry(entry)]
    folders = [folder for folder in entries if not is_agent_folder(folder.expanduser())]
    is_source_tree = Path("agents").resolve() == _BUILT_IN_FOLDER
    return folders[0] if folders else Path("team_agents" if is_source_tree else "agents")


def _check_is_free(name: str, folder: Path, registry: AgentRegistry) -> None:
    """Raise Conflict when the agent cannot be created."""
    if name in registry.declared_names:
        raise Conflict(f"there is already an agent {name}; `handrail agents list` shows where it comes from")
    if folder.exists():
        raise Conflict(f"{folder} already exists; choose another name, or another folder with --in")
    if _BUILT_IN_FOLDER in (folder.resolve(), *folder.resolve().parents):
        raise Conflict(f"{folder} is inside Handrail's own package; choose another folder with --in")


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HandrailError(f"{error.filename} cannot be written: {error.strerror}") from error


def _next_steps(name: str, folder: Path, settings: Settings) -> Sequence[str]:
    parent = str(folder.parent)
    steps = []
    if not _is_loaded(folder, settings):
        entry = parent if is_folder_entry(parent) else f"./{parent}"
        entries = ",".join((*settings.handrail_agents, entry))
        steps.append(f"load it: set HANDRAIL_AGENTS={entries} in .env or the environment")
    pytest = "" if find_spec("pytest") else "; this needs `pip install pytest`"
    steps += [
        f"test it: {sys.executable} -m pytest {folder}{pytest}",
        f'use it: restart `handrail up`, then `handrail chat --agent {name}` and type "{EXAMPLE_MESSAGE}"',
        "change the tool, the instructions and the commands, then run `handrail agents check`",
    ]
    return [f"{number}. {step}" for number, step in enumerate(steps, start=1)]


def _is_loaded(folder: Path, settings: Settings) -> bool:
    entries = {Path(entry).expanduser().resolve() for entry in settings.handrail_agents if is_folder_entry(entry)}
    return not entries.isdisjoint((folder.resolve(), *folder.resolve().parents))
