"""Tests of the checks before the start: every mistake is reported with file and line, and none hides another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.core.agent import Agent
from agents.core.errors import ConfigurationError
from agents.core.tools import Tool, ToolContext, ToolResult, tool
from agents.loading.sources import LoadedAgent
from agents.loading.toml_document import load_commands
from agents.registry import load_registry, select_agents

THIS_FILE = Path(__file__).name


@tool(effect="read")
def look(context: ToolContext, limit: int = 10) -> ToolResult:
    """Look."""
    raise NotImplementedError


@tool(effect="once")
def push(context: ToolContext, tag: str, count: int = 1, force: bool = False) -> ToolResult:
    """Push."""
    raise NotImplementedError


def agent(name: str = "ops", *tools: Tool, **changed: object) -> Agent:
    return Agent(**{"name": name, "purpose": "", "instructions": "", "tools": tools, **changed})


def find_issues(*agents: Agent) -> list[str]:
    loaded = [LoadedAgent(f"{one.name}.py", one) for one in agents]
    return [str(issue) for issue in select_agents(loaded).built_in_issues]


def test_shipped_agents_have_no_mistakes() -> None:
    assert load_registry().left_out == ()


def test_duplicate_names_of_agents_and_tools_are_reported() -> None:
    other = tool(effect="read")(look.run)
    assert find_issues(agent("ops"), agent("ops")) == [
        "ops.py: agent ops: another agent has this name; rename one of them"
    ]
    (within,) = find_issues(agent("ops", look, look))
    assert "tool look: agent ops has two tools of this name" in within
    (across,) = find_issues(agent("ops", look), agent("dev", other))
    assert "tool look: a tool of another agent has this name" in across
    assert find_issues(agent("ops", look), agent("dev", look)) == []


def test_invalid_delegates_and_prefetch_are_reported() -> None:
    one = agent("ops", look, push, asks=("ops", "dpeloy", "dev"), prefetch=("look", "lok", "push", "shove"))

    @tool(effect="idempotent")
    def shove(context: ToolContext) -> ToolResult:
        raise NotImplementedError

    one = agent("ops", look, push, shove, asks=one.asks, prefetch=one.prefetch)
    assert [line.partition("agent ops: ")[2].partition(";")[0] for line in find_issues(one, agent("dev"))] == [
        "`asks` names the agent itself",
        "`asks` names dpeloy, which is not an agent",
        "`prefetch` names lok, which is not a tool of this agent",
        "`prefetch` names push, which cannot run without tag",
        "`prefetch` names shove, whose effect is idempotent",
    ]


def find_tool_issues(function: Callable[..., object]) -> list[str]:
    """Return the messages about a tool, without their place, which is the line of the function."""
    lines = find_issues(agent("ops", tool(effect="read")(function)))
    assert all(f"{THIS_FILE}:{function.__code__.co_firstlineno}: tool {function.__name__}: " in line for line in lines)
    return [line.partition(f"tool {function.__name__}: ")[2] for line in lines]


def test_all_mistakes_of_a_tool_function_are_reported() -> None:
    def bad(environment: str, tag, other: object(), *rest: str) -> str:
        raise NotImplementedError

    messages = find_tool_issues(bad)
    assert messages[0] == "its first parameter must be the context; write `context: ToolContext` before the arguments"
    assert messages[1] == "parameter `tag` has no annotation; give it a type, like `tag: str`"
    assert messages[2].startswith("parameter `other` cannot be an argument: ")
    assert messages[3].startswith("parameter `*rest: str` cannot be passed by name")
    assert messages[4] == "it is annotated to return str; a tool returns a ToolResult, so write `-> ToolResult`"


def test_unresolvable_annotation_is_reported() -> None:
    def bad(context: ToolContext, where: "Nowhere") -> ToolResult:  # noqa: F821
        raise NotImplementedError

    assert find_tool_issues(bad) == ["its annotations cannot be read: name 'Nowhere' is not defined"]


def test_tool_with_an_unsupported_schema_is_reported() -> None:
    def bad(context: ToolContext, pairs: dict[str, str]) -> ToolResult:
        raise NotImplementedError

    assert find_tool_issues(bad) == ["pairs: an object with any keys; use a list of pairs instead"]


def test_missing_context_and_reserved_names_are_reported() -> None:
    def done_for_now() -> ToolResult:
        raise NotImplementedError

    def extend_budget(context: ToolContext, intent: str) -> ToolResult:
        raise NotImplementedError

    assert [message.partition(";")[0] for message in find_tool_issues(done_for_now)] == [
        "its first parameter must be the context",
        "this is the name of a built-in step",
    ]
    assert [message.partition(";")[0] for message in find_tool_issues(extend_budget)] == [
        "this is the name of a tool of Handrail itself",
        "an argument cannot be named intent",
    ]


INVALID_COMMANDS = [
    ('say = ["go"]', '{ intent = "lok" }', "step.intent: 'lok' is not a tool of agent ops or a step; known: look"),
    ('say = ["go"]', "{ limit = 1 }", "step.intent: None is not a tool of agent ops or a step"),
    ('say = ["go"]', '{ intent = "look", limt = 1 }', "step.limt: look has no argument limt; it has: limit"),
    ('say = ["go"]', '{ intent = "push" }', "step: push needs the argument tag; add tag = …"),
    (
        'say = ["go"]',
        '{ intent = "look", limit = "ten" }',
        "step.limit: look does not accept this value: Input should be a",
    ),
    (
        'say = ["go {n}"]',
        '{ intent = "look", limit = "{n}" }',
        "step.limit: look does not accept this value: Input should",
    ),
    (
        'say = ["go {n:int}"]',
        '{ intent = "push", tag = "{n}" }',
        "step.tag: push does not accept this value: Input should",
    ),
    ('say = ["go {n}"]', '{ intent = "look" }', "say[0]: nothing uses the slot {n}; use it in `step`, or replace"),
    (
        'say = ["go {tag}", "go"]',
        '{ intent = "push", tag = "{tag}" }',
        "step.tag: {tag} is not a slot of the pattern 'go'; add it there, or remove it",
    ),
    (
        'say = ["go {a}"]',
        '{ intent = "request_human_input", question = "{a}?", choices = ["{a}"] }',
        "step.choices: slots are filled only in texts, not in lists and tables; write the value as a text",
    ),
    ('say = ["go"]', '{ intent = "request_human_input" }', "step: request_human_input needs the argument question"),
    (
        'say = ["go"]',
        '{ intent = "await", seconds = 0, reason = "x" }',
        "step.seconds: await does not accept this value",
    ),
    (
        'say = ["go"]',
        '{ intent = "request_clarification", message = 5 }',
        "step.message: request_clarification does not accept this value",
    ),
    ('say = ["go"]', '{ intent = "ask_agent", agent = "me", message = "x" }', "step.agent: agent ops may not ask me"),
    (
        'say = ["go"]\nanswered = "went {answer}"',
        '{ intent = "request_human_input", question = "Where?" }',
        "answered: an answer would become 'went x', which no command matches; change `answered` or add a command",
    ),
]


@pytest.mark.parametrize(
    ("say", "step", "message"), INVALID_COMMANDS, ids=[message[:40] for *_, message in INVALID_COMMANDS]
)
def test_command_mistake_is_reported_with_line_and_key(tmp_path: Path, say: str, step: str, message: str) -> None:
    file = tmp_path / "commands.toml"
    line = {"say[0]": 4, "answered": 5}.get(message.partition(":")[0], 2)
    file.write_text(f'[[commands]]\nstep = {step}\ndoes = "goes"\n{say}\n')
    one = agent("ops", look, push, commands=load_commands(file), asks=("dev",))
    assert any(issue.startswith(f"{file}:{line}: commands[0].{message}") for issue in find_issues(one, agent("dev")))


@pytest.mark.parametrize(
    ("say", "step"),
    [
        ('say = ["go {tag}", "run {tag}"]', '{ intent = "push", tag = "{tag}", count = 2, force = true }'),
        ('say = ["go {n:int} {tag}"]', '{ intent = "push", tag = "v{n}", count = "{n:int}", force = false }'),
        ('say = ["go {where}"]\nreply = "{where}: {summary} {found}"', '{ intent = "look" }'),
        ('say = ["go"]', '{ intent = "request_clarification", message = "Where?" }'),
        ('say = ["go", "go {tag}"]\nanswered = "go {answer}"', '{ intent = "request_human_input", question = "?" }'),
    ],
)
def test_command_without_a_wrong_slot_or_argument_passes(tmp_path: Path, say: str, step: str) -> None:
    file = tmp_path / "commands.toml"
    file.write_text(f'[[commands]]\n{say}\ndoes = "goes"\nstep = {step}\n')
    lines = find_issues(agent("ops", look, push, commands=load_commands(file)))
    assert [line for line in lines if "nothing uses the slot {tag}" not in line] == []  # in two of the cases


def test_invalid_commands_file_is_reported_with_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "commands.toml"
    file.write_text('[[commands]]\nsay = "go"\ndoes = 5\nstep = {}\nreplay = ""\n')
    with pytest.raises(ConfigurationError) as error_info:
        load_commands(file)
    assert [line.partition(": Input")[0] for line in str(error_info.value).splitlines()] == [
        f"{file}:2: commands[0].say",
        f"{file}:3: commands[0].does",
        f"{file}:5: commands[0].replay: Extra inputs are not permitted",
    ]
    file.write_text("[[commands]\n")
    with pytest.raises(ConfigurationError, match=r"commands\.toml:1: this is not TOML"):
        load_commands(file)


def test_fields_of_wrong_types_are_reported() -> None:
    def undecorated(context: ToolContext) -> ToolResult:
        raise NotImplementedError

    messages = find_issues(agent("ops", undecorated, asks="dev", prefetch=(look,), instructions=None))
    assert [message.partition("agent ops: ")[2] for message in messages] == [
        "`instructions` must be a str, not NoneType",
        "`tools` has undecorated, which is not a tool; decorate the function with @tool(effect=...)",
        "`prefetch` has look, which is not a name; write names as texts",
        "`asks` must be a tuple; write ('dev',)",
    ]
    assert find_issues(Agent("ops", "", "", look)) == ["ops.py: agent ops: `tools` must be a tuple; write (look,)"]
    assert "a name has 1 to 64 of a-z" in find_issues(agent("On Call"))[0]
