"""Calling the deploy agent's tools the way the engine does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.deploy import AGENT
from agents.tools import Tool, ToolContext, ToolResult


@dataclass(frozen=True)
class Operator:
    """Somebody on one machine."""

    environment: Mapping[str, str]

    def prepared(self, name: str, **arguments: Any) -> dict[str, Any]:
        tool = _tool(name)
        assert tool.prepare is not None
        return tool.prepare(self._context("before"), **tool.validated(arguments))

    def run(self, name: str, key: str = "call", **arguments: Any) -> ToolResult:
        tool = _tool(name)
        return tool.run(self._context(key), **tool.validated(arguments))

    def checked(self, name: str, key: str = "call", **arguments: Any) -> ToolResult | None:
        tool = _tool(name)
        assert tool.check is not None
        return tool.check(self._context(key), **tool.validated(arguments))

    def does(self, name: str, key: str = "call", **arguments: Any) -> ToolResult:
        """Prepare, and run what was prepared."""
        return self.run(name, key, **self.prepared(name, **arguments))

    def _context(self, key: str) -> ToolContext:
        return ToolContext(key=key, environment=self.environment)


def _tool(name: str) -> Tool:
    tool = AGENT.tool(name)
    assert tool is not None
    return tool
