"""Agent of the crash suite: tools of every effect class, a push channel and a model.

Tools and channel write journals, so a test can read what really happened although processes were killed.
"""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from agents.core.agent import Agent
from agents.core.commands import Commands
from agents.core.completion import Completion
from agents.core.errors import ToolError
from agents.core.messages import Message, Receipt
from agents.core.policy import ApprovalTerms, EscalationStep, Policy, Rule
from agents.core.tools import Tool, ToolContext, ToolResult, tool
from agents.core.values import Address
from agents.llm.base import ModelRequest, OnPartialReply
from agents.llm.offline.model import CommandModel
from bot.api.auth import Credential
from bot.config.environment import ApiToken
from bot.services.roster import Roster
from channels.base import Capabilities
from tests.crashes.journals import Journals
from tests.crashes.kill_points import KillPoint
from tests.harness.people import PEOPLE, TOKENS, with_addresses

COMMANDS = """
[[commands]]
say = ["look {order}"]
does = "reads"
step = { intent = "look", order = "{order}" }

[[commands]]
say = ["ship {order}"]
does = "ships once for each idempotency key, after approval"
step = { intent = "ship", order = "{order}" }

[[commands]]
say = ["move {order}"]
does = "moves; a check finds out whether it ran"
step = { intent = "move", order = "{order}" }

[[commands]]
say = ["pay {order}"]
does = "pays; no check finds out whether it ran"
step = { intent = "pay", order = "{order}" }

[[commands]]
say = ["wire {order}"]
does = "pays like `pay`, after approval"
step = { intent = "wire", order = "{order}" }

[[commands]]
say = ["stumble {order}"]
does = "fails"
step = { intent = "stumble", order = "{order}" }

[[commands]]
say = ["ask {order}"]
does = "asks a person"
step = { intent = "request_human_input", question = "What card_fields {order}?", format = "free_text" }

[[commands]]
say = ["wait {seconds:int} for {order}"]
does = "waits"
step = { intent = "await", seconds = "{seconds}", reason = "{order}" }
"""
CRASH_PEOPLE = with_addresses(
    PEOPLE,
    alice=("pager:alice", "slack:U0ALICE", "email:alice@corp.test"),
    bob=("pager:bob", "slack:U0BOB", "email:bob@corp.test"),
    carol=("pager:carol",),
)
CREDENTIALS = [Credential(ApiToken(name=name, secret=token, person=name)) for name, token in TOKENS.items()]
APPROVAL_EXPIRY_SECONDS = 1800
BY_MAIL = "by-mail"
"""Order whose approvers are asked by mail."""


@dataclass(frozen=True)
class JournaledTools:
    """Tool implementations that record side effects. The `blocked_tool` waits until a test writes into the gate."""

    journals: Journals
    kill_point: KillPoint
    blocked_tool: str = ""

    def run(self, name: str, key: str, order: str) -> ToolResult:
        self.kill_point.kill_if_reached(f"{name} called")
        if name == self.blocked_tool:
            gate_path(self.journals.folder).read_bytes()
        self.journals.side_effects.append(key=key, tool=name, order=order, pid=os.getpid())
        self.kill_point.kill_if_reached(f"{name} done")
        return ToolResult(summary=f"did {name} {order}")

    def find_run(self, name: str, key: str) -> ToolResult | None:
        self.kill_point.kill_if_reached(f"{name} checked")
        found = any(entry["key"] == key for entry in self.journals.side_effects.read_entries())
        return ToolResult(summary=f"found {name}") if found else None


def gate_path(folder: Path) -> Path:
    """Return the named pipe at which the blocked tool waits: a read blocks until a test writes."""
    return folder / "gate"


def build_tools(journaled_tools: JournaledTools) -> tuple[Tool, ...]:
    """Return one tool per effect class. `ship` needs approval, `stumble` always fails, `glance` takes no argument."""

    @tool(effect="read", trusted_results=True)
    def glance(context: ToolContext) -> ToolResult:
        """Glance."""
        return journaled_tools.run("glance", context.key, "")

    @tool(effect="read", trusted_results=True)
    def look(context: ToolContext, order: str) -> ToolResult:
        """Look."""
        return journaled_tools.run("look", context.key, order)

    @tool(
        effect="idempotent",
        risk="high",
        ask=ApprovalTerms(roles=("release",), expires=APPROVAL_EXPIRY_SECONDS),
        trusted_results=True,
    )
    def ship(context: ToolContext, order: str) -> ToolResult:
        """Ship."""
        return journaled_tools.run("ship", context.key, order)

    def find_move(context: ToolContext, order: str) -> ToolResult | None:
        return journaled_tools.find_run("move", context.key)

    @tool(effect="verifiable", check=find_move, trusted_results=True)
    def move(context: ToolContext, order: str) -> ToolResult:
        """Move."""
        return journaled_tools.run("move", context.key, order)

    @tool(effect="once", trusted_results=True)
    def pay(context: ToolContext, order: str) -> ToolResult:
        """Pay."""
        return journaled_tools.run("pay", context.key, order)

    @tool(effect="once", trusted_results=True)
    def stumble(context: ToolContext, order: str) -> ToolResult:
        """Stumble."""
        raise ToolError(f"cannot reach {order}")

    return glance, look, ship, move, pay, build_wire_tool(journaled_tools), stumble


def build_wire_tool(journaled_tools: JournaledTools) -> Tool:
    """Return a tool that needs approval and whose outcome cannot be checked."""

    @tool(
        effect="once",
        risk="high",
        ask=ApprovalTerms(roles=("release",), expires=APPROVAL_EXPIRY_SECONDS),
        trusted_results=True,
    )
    def wire(context: ToolContext, order: str) -> ToolResult:
        """Wire."""
        return journaled_tools.run("wire", context.key, order)

    return wire


def build_roster(journaled_tools: JournaledTools) -> Roster:
    """Return two agents with the same tools; `scout` prefetches `glance` before its first model call."""
    tools, commands = build_tools(journaled_tools), Commands.parse(COMMANDS)
    crew = Agent(name="crew", purpose="works", instructions="Work.", tools=tools, commands=commands)
    scout = replace(crew, name="scout", prefetch=("glance",))
    ask_by_mail = ApprovalTerms(
        roles=("release",),
        expires=APPROVAL_EXPIRY_SECONDS,
        escalate=(EscalationStep(after=1, to=Address("role:release"), via="email"),),
    )
    rule = Rule(name="by mail", tool="ship", when={"order": BY_MAIL}, ask=ask_by_mail)
    return Roster({"crew": crew, "scout": scout}, Policy(people=CRASH_PEOPLE, rules=(rule,)))


@dataclass(frozen=True)
class PagerChannel:
    """Push channel that writes every message it sends into the journal."""

    journals: Journals
    kill_point: KillPoint
    scheme: ClassVar[str] = "pager"
    capabilities: ClassVar[Capabilities] = Capabilities()

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        kind = message_kind(message)
        self.kill_point.kill_if_reached(f"before sending {kind}")
        receipt = Receipt(ref=f"page-{secrets.token_hex(6)}", digest="d")
        card_fields = (
            {} if message.card is None else {"request": message.card.request_id, "status": message.card.status}
        )
        self.journals.sent_messages.append(
            key=key, kind=kind, to=to, ref=receipt.ref, text=message.text, pid=os.getpid(), **card_fields
        )
        self.kill_point.kill_if_reached(f"after sending {kind}")
        return receipt


def message_kind(message: Message) -> str:
    """Return the kind of a message: reply, card or card update."""
    if message.card is None:
        return "reply"
    return "card" if message.card.status == "open" else "card update"


class KillingModel(CommandModel):
    """Model that understands commands only, so its answers are deterministic."""

    def __init__(self, kill_point: KillPoint) -> None:
        super().__init__()
        self._kill_point = kill_point

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        self._kill_point.kill_if_reached("model called")
        completion = await super().complete(model_request, on_partial)
        self._kill_point.kill_if_reached("model answered")
        return completion
