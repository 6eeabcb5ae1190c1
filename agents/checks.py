"""The checks of agents before anything starts: every mistake of every agent, with its file and line."""

import inspect
from collections.abc import Iterator, Sequence

from agents.agent import Agent
from agents.command_checks import check_commands
from agents.errors import Misconfigured
from agents.mistakes import Mistake
from agents.registry import LoadedAgent
from agents.schema import TAKEN, strict_schema, wire_schema
from agents.tools import Tool


def check_agents(loaded: Sequence[LoadedAgent]) -> list[Mistake]:
    """Return all mistakes of the agents, those first that could not be imported at all."""
    found = [mistake for one in loaded for mistake in one.mistakes]
    agents = [(one.file, one.agent) for one in loaded if one.agent is not None]
    for position, (file, agent) in enumerate(agents):
        earlier = agents[:position]
        if any(agent.name == other.name for _, other in earlier):
            found.append(_of_agent(file, agent, "another agent has this name; call one of them something else"))
        found += _check_names(file, agent, [other.name for _, other in agents])
        found += _check_tools(agent, [tool for _, other in earlier for tool in other.tools])
        found += _check_schema(file, agent)
        found += check_commands(agent)
    return list(dict.fromkeys(found))


def _of_agent(file: str, agent: Agent, message: str) -> Mistake:
    return Mistake(file=file, key=f"agent {agent.name}", message=message)


def _of_tool(tool: Tool, message: str) -> Mistake:
    code = getattr(inspect.unwrap(tool.run), "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code else (None, None)
    return Mistake(file=file, line=line, key=f"tool {tool.name}", message=message)


def _check_names(file: str, agent: Agent, known: Sequence[str]) -> Iterator[Mistake]:
    for name in agent.asks:
        if name == agent.name:
            yield _of_agent(file, agent, "`asks` names the agent itself; take it out")
        elif name not in known:
            yield _of_agent(file, agent, f"`asks` names {name}, which is no agent; there are: {', '.join(known)}")
    for name in agent.prefetch:
        if objection := _objection_to_prefetch(agent.tool(name)):
            yield _of_agent(file, agent, f"`prefetch` names {name}, {objection}")


def _objection_to_prefetch(tool: Tool | None) -> str | None:
    if tool is None:
        return "which is no tool of this agent; add it to `tools`, or take it out"
    if required := [name for name, field in tool.arguments.model_fields.items() if field.is_required()]:
        return f"which cannot run without {', '.join(required)}; give them defaults, or take it out"
    if tool.stance.effect != "read":
        return f"whose effect is {tool.stance.effect}; only tools that read run before anybody has asked for them"
    return None


def _check_tools(agent: Agent, of_others: Sequence[Tool]) -> Iterator[Mistake]:
    """Rules name tools, so one name must not stand for two tools; several agents may have the same one."""
    for position, tool in enumerate(agent.tools):
        for message in tool.mistakes:
            yield _of_tool(tool, message)
        if any(tool.name == other.name for other in agent.tools[:position]):
            yield _of_tool(tool, f"agent {agent.name} has two tools of this name; call one of them something else")
        if any(tool.name == other.name and tool is not other for other in of_others):
            yield _of_tool(tool, "a tool of another agent has this name; call one of them something else")
        if tool.name in TAKEN or tool.name == "extend_budget":
            what = "a step" if tool.name != "extend_budget" else "a tool of Handrail itself"
            yield _of_tool(tool, f"this is the name of {what}; call the tool something else")
        if "intent" in tool.arguments.model_fields:
            yield _of_tool(tool, "no argument can be called intent; call it something else")


def _check_schema(file: str, agent: Agent) -> Iterator[Mistake]:
    """Look for what no model could be asked for: one such tool makes a provider refuse every call."""
    sound = [tool for tool in agent.tools if not tool.mistakes and tool.name not in TAKEN]
    failures = [mistake for tool in sound for mistake in _schema_failure(tool)]
    yield from failures
    if failures or len({tool.name for tool in sound}) < len(agent.tools):
        return
    try:
        wire_schema(agent.tools, agent.asks)
    except Misconfigured as error:
        if "intent" not in str(error):
            yield _of_agent(file, agent, str(error))


def _schema_failure(tool: Tool) -> Iterator[Mistake]:
    try:
        strict_schema(tool.arguments)
    except Misconfigured as error:
        yield _of_tool(tool, str(error).removeprefix(f"{tool.arguments.__name__}").lstrip(".: "))
