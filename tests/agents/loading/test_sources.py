"""Tests of agents from outside the source tree: folders, packages and entry points, and what is left out."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from textwrap import dedent

import pytest

from agents.core.errors import UnknownAgent
from agents.registry import ENTRY_POINT_GROUP, AgentRegistry, load_registry

WriteFiles = Callable[[Mapping[str, str]], Path]
AGENT = """
from agents.core.agent import Agent
AGENT = Agent(name="{name}", purpose="", instructions="", tools=(){more})
"""
TOOLS = """
from agents.core.tools import ToolContext, ToolResult, tool
@tool(effect="read")
def {name}(context: ToolContext) -> ToolResult:
    return ToolResult(summary="")
"""


def agent_source(name: str, more: str = "") -> str:
    return AGENT.format(name=name, more=more)


def names(registry: AgentRegistry) -> list[str]:
    return [agent.name for agent in registry.agents]


@pytest.fixture
def write_files(tmp_path: Path) -> WriteFiles:
    """Return a function that writes files below an empty folder, and returns that folder."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(dedent(text))
        return tmp_path

    return write


def test_every_agent_folder_below_a_path_is_loaded(write_files: WriteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_files(
        {
            "mine/one/__init__.py": agent_source("one"),
            "mine/group/two/__init__.py": "from .definition import AGENT",
            "mine/group/two/definition.py": agent_source("two"),
            "mine/shared/__init__.py": "raise RuntimeError",
            "mine/.hidden/three/__init__.py": agent_source("three"),
            "mine/notes/text.txt": "",
        }
    )
    (folder / "mine" / "group" / "loop").symlink_to(folder / "mine")
    registry = load_registry([str(folder / "mine")])
    assert (names(registry), registry.left_out) == (["deploy", "two", "one"], ())
    assert [one.source for one in registry.loaded] == ["built-in", f"{folder}/mine", f"{folder}/mine"]
    monkeypatch.chdir(folder)
    assert names(load_registry(["./mine"])) == ["deploy", "two", "one"]
    assert names(load_registry(["mine/one"])) == ["deploy", "one"]


def test_modules_of_folders_cannot_clash_with_other_modules(write_files: WriteFiles) -> None:
    files = {f"{team}/email/__init__.py": "from .tools import *\n" + agent_source(team) for team in ("a", "b")}
    files |= {f"{team}/email/tools.py": TOOLS.format(name=f"look_{team}") for team in ("a", "b")}
    folder = write_files(files)
    registry = load_registry([str(folder / "a"), str(folder / "b")])
    assert names(registry) == ["deploy", "a", "b"]
    import email.message  # noqa: PLC0415 - the agents are loaded first

    assert email.message.Message.__module__ == "email.message"


def test_agents_of_a_package_are_loaded(write_files: WriteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_files(
        {
            "handrail_test_single/__init__.py": agent_source("single"),
            "handrail_test_several/__init__.py": "from .all import AGENTS",
            "handrail_test_several/all.py": agent_source("first") + "AGENTS = [AGENT]\n",
            "handrail_test_parent/__init__.py": "",
            "handrail_test_parent/child/__init__.py": agent_source("child"),
        }
    )
    monkeypatch.syspath_prepend(folder)
    registry = load_registry(["handrail_test_single", "handrail_test_several", "handrail_test_parent"])
    assert (names(registry), registry.left_out) == (["deploy", "single", "first", "child"], ())


def test_agents_of_entry_points_are_loaded(write_files: WriteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_files(
        {
            "handrail_test_plugin/__init__.py": "",
            "handrail_test_plugin/ops/__init__.py": agent_source("ops"),
            "handrail_test_plugin-1.dist-info/METADATA": "Name: handrail-test-plugin\nVersion: 1\n",
            "handrail_test_plugin-1.dist-info/entry_points.txt": f"""
                [{ENTRY_POINT_GROUP}]
                agent = handrail_test_plugin.ops:AGENT
                broken = handrail_test_plugin.ops:AGNET
                package = handrail_test_plugin
            """,
        }
    )
    monkeypatch.syspath_prepend(folder)
    registry = load_registry(entry_points=entry_points(group=ENTRY_POINT_GROUP))
    assert names(registry) == ["deploy", "ops"]
    assert registry.loaded[1].source == "entry point agent of handrail-test-plugin"
    (issue,) = registry.other_issues
    assert "cannot be imported: AttributeError" in str(issue)
    assert registry.built_in_issues == ()


@pytest.mark.parametrize("value", ["handrail_test_missing", "handrail_test_missing.ops:AGENT"])
def test_entry_point_of_a_missing_package_is_named(value: str) -> None:
    (issue,) = load_registry(entry_points=[EntryPoint("ops", value, ENTRY_POINT_GROUP)]).other_issues
    package = value.partition(":")[0]
    advice = "reinstall the distribution, or remove its entry point"
    assert str(issue) == f"entry point ops: there is no package {package}; {advice}"


BROKEN_AGENTS = {
    "raises": ("AGENT = 1 / 0\n", "raises/__init__.py:1: cannot be imported: ZeroDivisionError: division by zero"),
    "exits": ("AGENT = exit()\n", "exits/__init__.py:1: cannot be imported: SystemExit"),
    "misspelled": ("def AGENT(:\n", "misspelled/__init__.py:1: cannot be imported: invalid syntax"),
    # a folder whose __init__.py contains the word AGENT is taken for an agent
    "no_agent": ('"""AGENT"""', "no_agent/__init__.py: has no AGENT; write AGENT = Agent(...)"),
    "number": ("AGENT = 5", "number/__init__.py: has no agent in AGENT, but int; it must be an Agent"),
    "absolute": (
        "from agents.absolute.tools import AGENT",
        "absolute/__init__.py:1: cannot be imported: ModuleNotFoundError: No module named 'agents.absolute'; import",
    ),
    "unchecked": (
        """
        from agents.core.tools import ToolContext, ToolResult, tool
        @tool(effect="verifiable")
        def f(context: ToolContext) -> ToolResult: ...
        AGENT = None
        """,
        "unchecked/__init__.py:3: cannot be imported: TypeError: a verifiable tool needs a check",
    ),
    "uncommanded": (
        """
        from pathlib import Path
        from agents.loading.toml_document import load_commands
        AGENT = load_commands(Path(__file__).parent / "commands.toml")
        """,
        "uncommanded/commands.toml: does not exist; write it",
    ),
    "dotted.name": ("AGENT = None", "dotted.name: has a dot in its name; rename the folder"),
}


def test_broken_agents_are_left_out_and_named(write_files: WriteFiles) -> None:
    files = {f"{name}/__init__.py": source for name, (source, _) in BROKEN_AGENTS.items()}
    folder = write_files({**files, "working/__init__.py": agent_source("working")})
    registry = load_registry([str(folder)])
    assert names(registry) == ["deploy", "working"]
    assert registry.built_in_issues == ()
    messages = [str(issue) for issue in registry.other_issues]
    assert len(messages) == len(BROKEN_AGENTS)
    for _, expected in BROKEN_AGENTS.values():
        assert any(message.startswith(f"{folder}/{expected}") for message in messages), (expected, messages)
    with pytest.raises(UnknownAgent, match="ZeroDivisionError"):
        registry.get_agent("raises")


def test_agents_that_clash_with_built_in_ones_are_left_out(write_files: WriteFiles) -> None:
    clashing = TOOLS.format(name="list_tags") + agent_source("ops").replace("tools=()", "tools=(list_tags,)")
    folder = write_files({"deploy/__init__.py": agent_source("deploy"), "ops/__init__.py": clashing})
    registry = load_registry([str(folder)])
    assert registry.agents == load_registry().agents
    assert [str(issue).partition("__init__.py:")[2] for issue in registry.other_issues] == [
        " agent deploy: another agent has this name; rename one of them",
        "3: tool list_tags: a tool of another agent has this name; rename one of them",
    ]


def test_agents_that_ask_a_broken_agent_are_left_out(write_files: WriteFiles) -> None:
    folder = write_files(
        {
            "broken/__init__.py": agent_source("broken", ', prefetch=("nothing",)'),
            "caller/__init__.py": agent_source("caller", ', asks=("broken",)'),
            "outer/__init__.py": agent_source("outer", ', asks=("caller", "deploy")'),
        }
    )
    registry = load_registry([str(folder)])
    assert names(registry) == ["deploy"]
    assert [issue.message for issue in registry.other_issues][1:] == [
        "`asks` names broken, which has mistakes; correct them first",
        "`asks` names caller, which has mistakes; correct them first",
    ]
    assert registry.declared_names == {"deploy", "broken", "caller", "outer"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("handrail_test_missing", "there is no package handrail_test_missing; install it"),
        ("./missing", "./missing cannot be read (No such file or directory); create it with"),
        ("./empty", "./empty has no agents; create one with"),
        ("~no-such-user/agents", "is not a path on this machine"),
        (str(Path(__file__).parents[3] / "agents"), "is Handrail's own package; put your agents into another folder"),
    ],
)
def test_wrong_entries_are_named(
    write_files: WriteFiles, monkeypatch: pytest.MonkeyPatch, entry: str, problem: str
) -> None:
    monkeypatch.chdir(write_files({"empty/notes.txt": ""}))
    (issue,) = load_registry([entry]).other_issues
    assert issue.key == "HANDRAIL_AGENTS"
    assert problem in issue.message
