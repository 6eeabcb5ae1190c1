"""Effects that a thread asks for. Each has a deterministic key, so that a repetition is detected (ADR 0002)."""

from datetime import datetime
from typing import Literal

from agents.addresses import Address
from agents.budget import BudgetKind
from agents.frozen import FrozenModel
from agents.messages import Message, Receipt
from agents.state import CurrentCall


class Effect(FrozenModel):
    """Base class of effects. An effect with `not_before` must not start earlier."""

    key: str
    not_before: datetime | None = None


class CallModel(Effect):
    """Let the model choose the next step."""


class Prefetch(Effect):
    """Call a tool that the agent runs before its first model call."""

    tool: str


class RunTool(Effect):
    """Start a call that policy allows or people have approved."""

    call: CurrentCall


class RecoverTool(Effect):
    """Find out what happened to a call that an earlier process started."""

    call: CurrentCall


class AskHuman(Effect):
    """Ask people how to continue, because the agent is stuck or has used up its budget."""

    reason: Literal["stuck", "budget"]
    kind: BudgetKind | None = None


class SendMessage(Effect):
    """Hand a message to the channel of its address."""

    to: Address
    message: Message
    request_id: str | None = None
    replaces: Receipt | None = None


WorkEffect = CallModel | Prefetch | RunTool | RecoverTool | AskHuman
