"""Orders to the world, each with a deterministic key: doing one twice is visible and refused (DESIGN §3.2)."""

from datetime import datetime
from typing import Literal

from agents.addresses import Address
from agents.budget import BudgetKind
from agents.frozen import FrozenModel
from agents.messages import Message, Receipt
from agents.state import CurrentCall


class Effect(FrozenModel):
    """`not_before` holds an effect back until then."""

    key: str
    not_before: datetime | None = None


class CallModel(Effect):
    """Let the model choose the next step."""


class Prefetch(Effect):
    """Call a tool the agent wants run before its model is asked for the first time."""

    tool: str


class RunTool(Effect):
    """Start a call that policy and people have let through."""

    call: CurrentCall


class RecoverTool(Effect):
    """Find out about a call that was started by a process that is gone."""

    call: CurrentCall


class AskHuman(Effect):
    """Put a question of our own to people: the agent is stuck, or has used up its budget."""

    reason: Literal["stuck", "budget"]
    kind: BudgetKind | None = None


class SendMessage(Effect):
    """Hand a message to the channel of its address."""

    to: Address
    message: Message
    request_id: str | None = None
    replaces: Receipt | None = None


WorkEffect = CallModel | Prefetch | RunTool | RecoverTool | AskHuman
