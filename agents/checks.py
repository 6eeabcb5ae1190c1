"""The checks of agents before anything starts: every mistake of every agent, with its file and line."""

import inspect
from collections.abc import Iterator, Sequence

from agents.agent import Agent
from agents.command_checks import check_commands
from agents.config_issues import ConfigIssue
from agents.errors import ConfigurationError
from agents.output_schema import RESERVED_TOOL_NAMES, output_schema, strict_schema
from agents.registry import LoadedAgent
from agents.tools import Tool


def check_agents(loaded_agents: Sequence[LoadedAgent]) -> list[ConfigIssue]:
    """Return all mistakes of the agents, those first that could not be imported at all."""
    found = [mistake for one in loaded_agents for mistake in one.issues]
    agents = [(one.file, one.agent) for one in loaded_agents if one.agent is not None]
    for position, (file, agent) in enumerate(agents):
        earlier = agents[:position]
        if any(agent.name == other.name for _, other in earlier):
            found.append(_agent_issue(file, agent, "another agent has this name; call one of them something else"))
        found += _check_names(file, agent, [other.name for _, other in agents])
        found += _check_tools(agent, [tool for _, other in earlier for tool in other.tools])
        found += _check_schema(file, agent)
        found += check_commands(agent)
    return list(dict.fromkeys(found))


def _agent_issue(file: str, agent: Agent, message: str) -> ConfigIssue:
    return ConfigIssue(file=file, key=f"agent {agent.name}", message=message)


def _tool_issue(tool: Tool, message: str) -> ConfigIssue:
    code = getattr(inspect.unwrap(tool.run), "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code else (None, None)
    return ConfigIssue(file=file, line=line, key=f"tool {tool.name}", message=message)


def _check_names(file: str, agent: Agent, agent_names: Sequence[str]) -> Iterator[ConfigIssue]:
    for name in agent.delegates:
        if name == agent.name:
            yield _agent_issue(file, agent, "`asks` names the agent itself; take it out")
        elif name not in agent_names:
            yield _agent_issue(
                file, agent, f"`asks` names {name}, which is no agent; there are: {', '.join(agent_names)}"
            )
    for name in agent.prefetch:
        if objection := _prefetch_problem(agent.get_tool(name)):
            yield _agent_issue(file, agent, f"`prefetch` names {name}, {objection}")


def _prefetch_problem(tool: Tool | None) -> str | None:
    if tool is None:
        return "which is no tool of this agent; add it to `tools`, or take it out"
    if required := [name for name, field in tool.arguments.model_fields.items() if field.is_required()]:
        return f"which cannot run without {', '.join(required)}; give them defaults, or take it out"
    if tool.defaults.effect != "read":
        return f"whose effect is {tool.defaults.effect}; only tools that read run before anybody has asked for them"
    return None


def _check_tools(agent: Agent, other_tools: Sequence[Tool]) -> Iterator[ConfigIssue]:
    """Rules name tools, so one name must not stand for two tools; several agents may have the same one."""
    for position, tool in enumerate(agent.tools):
        for message in tool.problems:
            yield _tool_issue(tool, message)
        if any(tool.name == other.name for other in agent.tools[:position]):
            yield _tool_issue(tool, f"agent {agent.name} has two tools of this name; call one of them something else")
        if any(tool.name == other.name and tool is not other for other in other_tools):
            yield _tool_issue(tool, "a tool of another agent has this name; call one of them something else")
        if tool.name in RESERVED_TOOL_NAMES or tool.name == "extend_budget":
            what = "a step" if tool.name != "extend_budget" else "a tool of Handrail itself"
            yield _tool_issue(tool, f"this is the name of {what}; call the tool something else")
        if "intent" in tool.arguments.model_fields:
            yield _tool_issue(tool, "no argument can be called intent; call it something else")


def _check_schema(file: str, agent: Agent) -> Iterator[ConfigIssue]:
    """Look for what no model could be asked for: one such tool makes a provider refuse every call."""
    sound = [tool for tool in agent.tools if not tool.problems and tool.name not in RESERVED_TOOL_NAMES]
    failures = [mistake for tool in sound for mistake in _schema_issues(tool)]
    yield from failures
    if failures or len({tool.name for tool in sound}) < len(agent.tools):
        return
    try:
        output_schema(agent.tools, agent.delegates)
    except ConfigurationError as error:
        if "intent" not in str(error):
            yield _agent_issue(file, agent, str(error))


def _schema_issues(tool: Tool) -> Iterator[ConfigIssue]:
    try:
        strict_schema(tool.arguments)
    except ConfigurationError as error:
        yield _tool_issue(tool, str(error).removeprefix(f"{tool.arguments.__name__}").lstrip(".: "))
