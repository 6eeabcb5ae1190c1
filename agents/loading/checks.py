"""Checks of an agent before the start. They report every mistake with its file and line."""

import inspect
import re
from collections.abc import Collection, Iterator, Sequence

from agents.core.agent import Agent
from agents.core.commands import Commands
from agents.core.config_issues import ConfigIssue
from agents.core.errors import ConfigurationError
from agents.core.tools import Tool
from agents.llm.output_schema import RESERVED_TOOL_NAMES, output_schema, strict_schema
from agents.loading.command_checks import check_commands

_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_FIELD_TYPES = {"name": str, "purpose": str, "instructions": str, "commands": Commands}


def check_agent(
    file: str,
    agent: Agent,
    earlier: Sequence[Agent],
    agent_names: Sequence[str],
    left_out_names: Collection[str] = (),
) -> list[ConfigIssue]:
    """Return all mistakes of an agent that has passed `check_types`. Its names must differ from the `earlier` agents'.

    `asks` may only have names from `agent_names`; `left_out_names` are those of agents with mistakes of their own.
    """
    found = [*_check_own_name(file, agent, earlier), *_check_names(file, agent, agent_names, left_out_names)]
    found += _check_tools(agent, [tool for other in earlier for tool in other.tools])
    found += _check_schema(file, agent)
    found += check_commands(agent)
    return list(dict.fromkeys(found))


def check_types(file: str, agent: Agent) -> Iterator[ConfigIssue]:
    """Check the types of the fields, which a dataclass does not; the other checks rely on them."""
    for field, kind in _FIELD_TYPES.items():
        if not isinstance(value := getattr(agent, field), kind):
            yield _agent_issue(file, agent, f"`{field}` must be a {kind.__name__}, not {type(value).__name__}")
    for field in ("tools", "prefetch", "asks"):
        if not isinstance(value := getattr(agent, field), tuple | list):
            yield _agent_issue(file, agent, f"`{field}` must be a tuple; write ({_describe_item(value)},)")
            continue
        for item in value:
            if field == "tools" and not isinstance(item, Tool):
                advice = "decorate the function with @tool(effect=...)" if callable(item) else "remove it"
                yield _agent_issue(file, agent, f"`tools` has {_describe_item(item)}, which is not a tool; {advice}")
            elif field != "tools" and not isinstance(item, str):
                yield _agent_issue(
                    file, agent, f"`{field}` has {_describe_item(item)}, which is not a name; write names as texts"
                )


def _describe_item(value: object) -> str:
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    return str(name) if name else repr(value)[:80]


def _check_own_name(file: str, agent: Agent, earlier: Sequence[Agent]) -> Iterator[ConfigIssue]:
    if not _NAME_PATTERN.fullmatch(agent.name):
        rule = "a name has 1 to 64 of a-z, 0-9, dot, dash and underscore, and starts with a letter or digit"
        yield _agent_issue(file, agent, f"{rule}; rename the agent")
    if any(agent.name == other.name for other in earlier):
        yield _agent_issue(file, agent, "another agent has this name; rename one of them")


def _agent_issue(file: str, agent: Agent, message: str) -> ConfigIssue:
    return ConfigIssue(file=file, key=f"agent {agent.name}", message=message)


def _tool_issue(tool: Tool, message: str) -> ConfigIssue:
    code = getattr(inspect.unwrap(tool.run), "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code else (None, None)
    return ConfigIssue(file=file, line=line, key=f"tool {tool.name}", message=message)


def _check_names(
    file: str, agent: Agent, agent_names: Sequence[str], left_out_names: Collection[str]
) -> Iterator[ConfigIssue]:
    for name in agent.asks:
        if name == agent.name:
            yield _agent_issue(file, agent, "`asks` names the agent itself; remove it")
        elif name not in agent_names and name in left_out_names:
            yield _agent_issue(file, agent, f"`asks` names {name}, which has mistakes; correct them first")
        elif name not in agent_names:
            yield _agent_issue(
                file, agent, f"`asks` names {name}, which is not an agent; known agents: {', '.join(agent_names)}"
            )
    for name in agent.prefetch:
        if problem := _prefetch_problem(agent.get_tool(name)):
            yield _agent_issue(file, agent, f"`prefetch` names {name}, {problem}")


def _prefetch_problem(tool: Tool | None) -> str | None:
    if tool is None:
        return "which is not a tool of this agent; add it to `tools`, or remove it"
    if required := [name for name, field in tool.arguments.model_fields.items() if field.is_required()]:
        return f"which cannot run without {', '.join(required)}; give them defaults, or remove it"
    if tool.defaults.effect != "read":
        return f"whose effect is {tool.defaults.effect}; only tools with the effect read can be prefetched"
    return None


def _check_tools(agent: Agent, other_tools: Sequence[Tool]) -> Iterator[ConfigIssue]:
    """Check the tools of an agent. Policy rules name tools, so two tools must not share a name.

    Several agents may use the same tool.
    """
    for position, tool in enumerate(agent.tools):
        for message in tool.problems:
            yield _tool_issue(tool, message)
        if any(tool.name == other.name for other in agent.tools[:position]):
            yield _tool_issue(tool, f"agent {agent.name} has two tools of this name; rename one of them")
        if any(tool.name == other.name and tool is not other for other in other_tools):
            yield _tool_issue(tool, "a tool of another agent has this name; rename one of them")
        if tool.name in RESERVED_TOOL_NAMES or tool.name == "extend_budget":
            owner = "a built-in step" if tool.name != "extend_budget" else "a tool of Handrail itself"
            yield _tool_issue(tool, f"this is the name of {owner}; rename the tool")
        if "intent" in tool.arguments.model_fields:
            yield _tool_issue(tool, "an argument cannot be named intent; rename it")


def _check_schema(file: str, agent: Agent) -> Iterator[ConfigIssue]:
    """Check that the agent has a strict output schema: one unsupported tool makes a provider reject every call."""
    valid = [tool for tool in agent.tools if not tool.problems and tool.name not in RESERVED_TOOL_NAMES]
    failures = [issue for tool in valid for issue in _schema_issues(tool)]
    yield from failures
    if failures or len({tool.name for tool in valid}) < len(agent.tools):
        return
    try:
        output_schema(agent.tools, agent.asks)
    except ConfigurationError as error:
        if "intent" not in str(error):  # `_check_tools` has reported an argument of this name
            yield _agent_issue(file, agent, str(error))


def _schema_issues(tool: Tool) -> Iterator[ConfigIssue]:
    try:
        strict_schema(tool.arguments)
    except ConfigurationError as error:
        yield _tool_issue(tool, str(error).removeprefix(f"{tool.arguments.__name__}").lstrip(".: "))
