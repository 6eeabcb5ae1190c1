"""Define the toy tools of the tests: `look`, `ship`, `move` and `pay`, one of each effect class.

A suite defines tools of its own only where its tests are about how those tools differ.
"""

from agents.core.policy import ApprovalTerms
from agents.core.tools import Tool, ToolContext, ToolResult, tool


class ToolCallRecorder:
    """Records each action of the toy tools with its idempotency key, in place of the outside world."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.planned_errors: list[BaseException] = []

    def run(self, key: str, action: str) -> ToolResult:
        """Record the action, or raise the next planned error."""
        if self.planned_errors:
            raise self.planned_errors.pop(0)
        self.runs.append((key, action))
        return ToolResult(summary=f"did {action}")


def build_tools(tool_call_recorder: ToolCallRecorder) -> tuple[Tool, ...]:
    """Return one tool of each effect class, all recording to `tool_call_recorder`; `ship` requires approval."""

    @tool(effect="read", trusted_results=True)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        return tool_call_recorder.run(context.key, "look")

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), trusted_results=True)
    def ship(context: ToolContext, tag: str) -> ToolResult:
        """Ship a tag."""
        return tool_call_recorder.run(context.key, f"ship {tag}")

    def happened(context: ToolContext) -> ToolResult | None:
        return ToolResult(summary="did move") if (context.key, "move") in tool_call_recorder.runs else None

    @tool(effect="verifiable", check=happened, trusted_results=True)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        return tool_call_recorder.run(context.key, "move")

    @tool(effect="once", trusted_results=True)
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return tool_call_recorder.run(context.key, "pay")

    return look, ship, move, pay
