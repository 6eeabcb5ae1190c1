"""Incoming and outgoing messages, independent of any platform; channels translate them."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from agents.core.values import Address, FrozenModel


class Provenance(StrEnum):
    """Source of content, which decides how far it is trusted. A model cannot change it."""

    VERIFIED_PERSON = "verified person"
    UNVERIFIED = "unverified"
    WEBHOOK = "webhook"
    QUOTED_MAIL = "quoted mail"
    TOOL = "tool"
    MODEL = "model"
    SYSTEM = "system"


class Assurance(StrEnum):
    """Strength of the authentication of the person who answered."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Number from 0 (none) to 3 (high), for comparisons."""
        return list(Assurance).index(self)


class CardField(FrozenModel):
    """One argument on a card: its name and its whole value, with hidden characters escaped."""

    name: str
    value: str


class Explanation(FrozenModel):
    """Texts that help a person decide; an empty text means that there is nothing to say.

    `why` is the agent's own text. `progress` says how many of the required approvals exist. `afterwards` says what
    happens without an answer in time.
    """

    why: str = ""
    asked_by: str = ""
    decided_by: str = ""
    progress: str = ""
    afterwards: str = ""


class Card(FrozenModel):
    """A request as people see it, built from validated data; only `explanation.why` is text of a model.

    `code` is the request's short name, to be typed and read aloud. `digest` is the hash of its exact content, to which
    an approval is bound. `note` says why the card is shown here. `may_approve` is False if its only reader may not
    approve; the card then has no approve action. `is_truncated` marks a card with a value that exceeds the limit; the
    end of the value says so. A channel that cannot show the whole card marks what it truncates and links to the whole
    card instead of offering to approve. `link` is the URL of a page where the card can be answered; it is set just
    before the card is sent, and never stored. A person whose authentication is weaker than `min_assurance` may not
    approve.
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
    link: str = Field(default="", exclude=True, repr=False)
    min_assurance: Assurance = Field(default=Assurance.NONE, exclude_if=lambda assurance: assurance is Assurance.NONE)


class Message(FrozenModel):
    """An outgoing message: a plain text and, for a request, a card."""

    text: str
    card: Card | None = None


class StartedConversation(FrozenModel):
    """A conversation that a message started on its channel.

    Replies go to `address`; incoming messages carry `conversation_key`.
    """

    address: Address
    conversation_key: str


class Receipt(FrozenModel):
    """A channel's proof of delivery: `ref`, its id of the message, and a hash of the content that it showed.

    `started` is set when replies to the message arrive in a new conversation. `conversation_keys` are linked to the
    thread, so that replies that carry one of them reach it. With `confirm_by` the channel reports afterwards whether
    the message reached its recipient; without a report by then, a card counts as undeliverable. `text` is set by a
    simulated delivery: what the recipient would have read, for people who read the log.
    """

    ref: str
    digest: str
    started: StartedConversation | None = None
    conversation_keys: tuple[str, ...] = Field(default=(), exclude_if=lambda keys: not keys)
    confirm_by: AwareDatetime | None = Field(default=None, exclude_if=lambda at: at is None)
    text: str = Field(default="", exclude_if=lambda text: not text)


class Quote(FrozenModel):
    """Text that a person forwards, and its author according to the channel."""

    text: str
    author: str


class IncomingMessage(FrozenModel):
    """An incoming message that its channel has verified. `ref` is the channel's id of the message, if there is one.

    `source` is the conversation that it came from. `title` is a short description, such as the subject of a mail.
    `entered_by` is the authenticated address when it differs from `by`. With an `author` (an address if the channel
    knows it) the whole text is forwarded by `by`; `quotes` are forwarded texts beside it.
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
    title: str | None = None


class IncomingEdit(FrozenModel):
    """An edit of the message `ref`, with the new text, or its deletion (text None)."""

    ref: str
    text: str | None
    by: Address
    source: Address
    provenance: Provenance
    at: datetime
