"""Runner of the deploy agent's tools, which calls them as the engine does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.core.tools import Tool, ToolContext, ToolResult
from agents.deploy import AGENT


@dataclass(frozen=True)
class ToolRunner:
    """Runner of the tools on one machine."""

    environment: Mapping[str, str]

    def prepare(self, name: str, **arguments: Any) -> dict[str, Any]:
        tool = _get_tool(name)
        assert tool.prepare is not None
        return tool.prepare(self._context("before"), **tool.validate_arguments(arguments))

    def run(self, name: str, key: str = "call", **arguments: Any) -> ToolResult:
        tool = _get_tool(name)
        return tool.run(self._context(key), **tool.validate_arguments(arguments))

    def check(self, name: str, key: str = "call", **arguments: Any) -> ToolResult | None:
        tool = _get_tool(name)
        assert tool.check is not None
        return tool.check(self._context(key), **tool.validate_arguments(arguments))

    def prepare_and_run(self, name: str, key: str = "call", **arguments: Any) -> ToolResult:
        """Prepare a call, and run it with the prepared arguments."""
        return self.run(name, key, **self.prepare(name, **arguments))

    def _context(self, key: str) -> ToolContext:
        return ToolContext(key=key, environment=self.environment)


def _get_tool(name: str) -> Tool:
    tool = AGENT.get_tool(name)
    assert tool is not None
    return tool
