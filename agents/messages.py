"""What is said to people, free of any platform's format: channels translate it, the core never does."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from agents.addresses import Address
from agents.frozen import FrozenModel


class Provenance(StrEnum):
    """How far content may be trusted; policy sees it, the model's words never change it."""

    VERIFIED_PERSON = "verified person"
    UNVERIFIED = "unverified"
    WEBHOOK = "webhook"
    QUOTED_MAIL = "quoted mail"
    TOOL = "tool"
    MODEL = "model"
    SYSTEM = "system"


class Assurance(StrEnum):
    """How sure we are who answered (DESIGN §6)."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for none to 3 for high, so that strengths can be compared."""
        return list(Assurance).index(self)


class CardField(FrozenModel):
    """One line of a card: a name, and the whole value, made visible."""

    name: str
    value: str


class Explanation(FrozenModel):
    """What a person wants to know before they decide, in words; empty where there is nothing to say.

    `why` is in the agent's own words, `progress` tells how many have approved of how many who must, `afterwards` what
    happens when nobody answers in time.
    """

    why: str = ""
    asked_by: str = ""
    decided_by: str = ""
    progress: str = ""
    afterwards: str = ""


class Card(FrozenModel):
    """A request as a person sees it, made by code from validated facts; only `explanation.why` is a model's prose.

    `note` is why it is shown here. `may_approve` is False where its only reader may not: it offers no approval then.
    `is_cut` where a value is longer than a card keeps: its end says so. A channel that cannot show all of a card marks
    what it cuts, and offers a way to the whole in place of approving.
    """

    request_id: str
    code: str
    digest: str = ""
    kind: Literal["approval", "question"]
    status: str
    title: str
    fields: tuple[CardField, ...] = ()
    is_truncated: bool = False
    explanation: Explanation = Explanation()
    choices: tuple[str, ...] = ()
    is_editable: bool = True
    requester: Address
    requesters: tuple[Address, ...] = ()
    expires_at: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None
    outcome: str | None = None
    note: str = ""
    may_approve: bool = True


class Message(FrozenModel):
    """Something to say: plain text always, and a card when an answer is wanted."""

    text: str
    card: Card | None = None


class StartedConversation(FrozenModel):
    """A conversation a message began outside: where it goes on, and the name of the place it comes in from."""

    address: Address
    conversation_key: str


class Receipt(FrozenModel):
    """What a channel gives back for a message it took: how to find it again, and a digest of what it showed.

    `begun` is there when what people say about the message comes in from a place of its own.
    """

    ref: str
    digest: str
    started: StartedConversation | None = None


class Quote(FrozenModel):
    """Words that somebody passes on, such as a forwarded message, and who wrote them as far as the channel says."""

    text: str
    author: str


class IncomingMessage(FrozenModel):
    """A message as it came in, after its channel verified it. `ref` is its channel's own name for it, if it has one.

    `entered_by` is the authenticated address when it is not `by`. With an `author`, an address where the channel knows
    one, the text itself is passed on by `by`; `quotes` are words of others beside it.
    """

    text: str
    by: Address
    source: Address
    provenance: Provenance
    at: datetime
    ref: str | None = None
    entered_by: Address | None = None
    author: str | None = None
    quotes: tuple[Quote, ...] = ()


class IncomingEdit(FrozenModel):
    """What `by` made of the message `ref` later: another text, or None when it was deleted."""

    ref: str
    text: str | None
    by: Address
    source: Address
    provenance: Provenance
    at: datetime
