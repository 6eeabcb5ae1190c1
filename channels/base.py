"""Ports between the application and its channels: what is sent, what comes in, and what a channel provides."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from agents.core.messages import Assurance, Card, Message, Receipt
from agents.core.requests import Request
from agents.core.values import Address
from channels.abilities import Finding
from channels.inbound import (
    AnswerResult,
    Arrival,
    ControlResult,
    HelpTexts,
    InboundAnswer,
    InboundControl,
    InboundEdit,
    InboundMessage,
    Overview,
    Posted,
    Refusal,
    Sender,
)
from channels.stored_input import (
    DeliveryConfirmation,
    DeliveryFailure,
    InputResult,
    OptOut,
    RawInput,
    SentMessage,
    StoredInput,
    ThreadContext,
)


@dataclass(frozen=True)
class SendBudget:
    """Limits on what a channel sends, for channels on which each message costs money and attention.

    `contact_limits` are pairs of a number of messages to one address and a period; `daily_units` limits the sum of
    `MeteredChannel.count_units` of all messages in 24 hours.
    """

    contact_limits: tuple[tuple[int, timedelta], ...]
    daily_units: int


@dataclass(frozen=True)
class Capabilities:
    """Features that a channel supports. `channels.text` renders messages as text for a channel without buttons.

    With `can_edit` a sent message can be replaced. `max_length` is in characters per message. `reply_instructions` are
    the commands with which a person answers a request by text; `{code}` in them stands for the code of the request.
    `assurance` rates how well the channel authenticates people. Sending is tried again for `retry_for_seconds`, without
    end if it is None. If at least `digest_threshold` cards wait for one address, a DigestChannel sends them as one
    message; 0 means never. With `has_answer_links` a card gets a link to a page where it can be answered. Messages
    beyond the `budget` of a MeteredChannel are undeliverable; the limits of an address concern only reminders, notices
    and the like.
    """

    has_buttons: bool = False
    has_links: bool = False
    can_edit: bool = False
    has_markdown: bool = False
    max_length: int = 1_000_000
    reply_instructions: tuple[str, ...] = ()
    assurance: Assurance = Assurance.NONE
    retry_for_seconds: float | None = None
    digest_threshold: int = 0
    has_answer_links: bool = False
    budget: SendBudget | None = None


@runtime_checkable
class PullChannel(Protocol):
    """Channel whose clients read the event log themselves: a committed message counts as delivered."""

    @property
    def scheme(self) -> str:
        """Scheme of the channel's addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def receipt_for(self, message: Message) -> Receipt:
        """Return the receipt of a message, computed without I/O."""
        ...


@runtime_checkable
class Channel(Protocol):
    """Channel to which messages are sent. `send` is called concurrently; the channel limits its own concurrency.

    If sending fails, `send` raises Retryable or Permanent and no other exception. DeliveryUncertain, a Retryable, means
    that the message may have arrived. ConfigurationError, a Permanent, means that the message is not at fault: it
    is kept until the configuration has been corrected.
    """

    @property
    def scheme(self) -> str:
        """Scheme of the channel's addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        """Send a message and return its receipt. With `replaces`, update the message of that receipt instead.

        `key` identifies the message and is the same in every attempt. `may_have_been_sent` means that an earlier
        attempt may have delivered the message: look for it before sending it again, if the channel can do that.
        """
        ...


@runtime_checkable
class ThreadAwareChannel(Protocol):
    """Channel whose messages depend on the thread to which they belong, such as mails, which refer to earlier ones."""

    def for_thread(self, context: ThreadContext) -> Channel:
        """Return a channel that sends the messages of this thread."""
        ...


@runtime_checkable
class DigestChannel(Protocol):
    """Channel that can show several cards in one message."""

    async def send_digest(self, to: Address, cards: Sequence[Card], *, key: str) -> Receipt:
        """Send one message with a line for each card. `key` and the errors are those of `Channel.send`."""
        ...


@runtime_checkable
class MeteredChannel(Protocol):
    """Channel whose messages cost money, in units such as the segments of an SMS."""

    def count_units(self, to: Address, message: Message) -> int:
        """Return the price of the message in units, computed without I/O."""
        ...


class Receiver(Protocol):
    """Inbound port of the application, implemented once, by `bot`. Channels report to it everything that comes in.

    Methods that record something commit before they return, so a channel may acknowledge its input then. Duplicates
    have no effect. If a method raises Retryable, the other side should send again; all other failures are refusals.
    """

    async def post_message(self, message: InboundMessage) -> Posted:
        """Post a message to the thread of its conversation, or open a thread."""
        ...

    async def edit_message(self, edit: InboundEdit) -> None:
        """Record the edit or deletion of an earlier message; one that changes nothing is ignored."""
        ...

    async def answer(self, answer: InboundAnswer) -> AnswerResult:
        """Record an answer to a request. The request is decided at most once."""
        ...

    async def check_answer(self, answer: InboundAnswer) -> Refusal | None:
        """Return why such an answer would be refused now, None if it would not. Nothing is recorded."""
        ...

    async def control(self, command: InboundControl) -> ControlResult:
        """Cancel, pause or resume a thread."""
        ...

    async def find_request(self, reference: str, arrival: Arrival, *, was_shown: bool = False) -> Request | Refusal:
        """Return the request with this id or code if the sender may see it.

        `was_shown` means that the channel has proof that the request was shown to the sender, such as a signed button.
        """
        ...

    async def overview(self, sender: Sender, limit: int) -> Overview:
        """Return the sender's person, at most `limit` requests that they may decide, and at most `limit` threads."""
        ...

    async def store_input(self, raw_input: RawInput) -> bool:
        """Store an input for `Plugin.process_input`. Return False for a duplicate. Raises StoreUnavailable."""
        ...

    async def count_recent_inputs(self, channel: str, reason: str) -> int:
        """Return the number of inputs of a channel whose processing ended within an hour with this reason."""
        ...

    async def report_failure(self, failure: DeliveryFailure) -> None:
        """Record that a message was not delivered although it had been accepted; an unknown one is ignored.

        Raises Unavailable while a message that is being sent may be the one.
        """
        ...

    async def report_delivery(self, confirmation: DeliveryConfirmation) -> None:
        """Record that a card reached its recipient; other messages are ignored.

        Raises Unavailable while a message that is being sent may be the one.
        """
        ...

    async def report_opt_out(self, opt_out: OptOut) -> None:
        """Record that an address takes no more messages of this channel, or takes them again.

        Messages that wait for it become undeliverable, and its open requests move to the next escalation step.
        """
        ...

    async def report_unknown_sender(self, arrival: Arrival) -> None:
        """Record a sender whom `handrail.toml` does not name, for `handrail people list`."""
        ...

    async def find_last_message(self, to: Address) -> SentMessage | None:
        """Return the last message to an address of a MeteredChannel within seven days, None if there is none."""
        ...

    def argument_schema(self, request: Request) -> Mapping[str, Any] | None:
        """Return the JSON schema of the arguments of a request's tool; None if they cannot be edited."""
        ...

    def help_texts(self) -> HelpTexts:
        """Return the help text and example commands of the default agent."""
        ...


Level = Literal["debug", "info", "warning", "error"]


class Runtime(Protocol):
    """Facilities of the process that runs a channel: the receiver, time, supervised loops, log lines and readiness."""

    @property
    def receiver(self) -> Receiver: ...

    @property
    def runs_only_listeners(self) -> bool:
        """Whether the process has no other purpose than its listeners, so that it must not run without them."""
        ...

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    async def sleep(self, seconds: float, wake_event: asyncio.Event) -> None:
        """Wait for a duration, or until the event is set."""
        ...

    async def back_off(self, attempt: int, wake_event: asyncio.Event) -> None:
        """Wait before the next attempt, longer after each one, or until the event is set."""
        ...

    async def supervise(self, name: str, loop: Callable[[], Awaitable[None]], stop_event: asyncio.Event) -> None:
        """Run a loop until it returns. An exception is logged and counted, and the loop runs again."""
        ...

    def report_problem(self, name: str, problem: str | None) -> None:
        """Show a problem in `/readyz` until it is reported as None."""
        ...

    def log(self, event: str, *, level: Level = "info", **fields: Any) -> None:
        """Write one log line. Raises TypeError for an event or a field that `bot.log` does not list."""
        ...


@dataclass(frozen=True)
class HttpRequest:
    """HTTP request to an endpoint. The names of `headers` are in lower case; `body` has at most 1 MB.

    `query` is what follows the question mark of the URL, undecoded.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""


@dataclass(frozen=True)
class HttpResponse:
    """HTTP response of an endpoint."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


ENDPOINT_PREFIX = "/channels/"
"""Prefix of the paths of all endpoints, for which the limit of the body is larger."""


@dataclass(frozen=True)
class Endpoint:
    """HTTP endpoint of a channel, with a path below ENDPOINT_PREFIX. It authenticates its requests itself.

    With `needs_admin` the application admits only API tokens with the scope `admin`, as for `/v1`.

    The response to Forbidden is 401, to InvalidInput 400, and to Retryable 503 with Retry-After.
    """

    path: str
    handle: Callable[[HttpRequest, Runtime], Awaitable[HttpResponse]]
    methods: tuple[str, ...] = ("POST",)
    needs_admin: bool = False


class Service(Protocol):
    """Background service of a channel, such as a connection on which events arrive."""

    async def start(self, runtime: Runtime) -> None:
        """Start and return at once. Raises ConfigurationError, with which the process does not start."""
        ...

    async def stop(self) -> None:
        """Stop within three seconds. The other side sends again the input that has not been committed by then."""
        ...


@dataclass(frozen=True)
class Plugin:
    """Everything that a channel's package provides to one process.

    `doctor_checks` returns the findings for `handrail doctor`. A plugin without a `channel` is not set up, or cannot
    work here because of a `problem`; only its `doctor_checks` are used then. `close` closes the connections of the
    channel. `listeners` are services that listen on ports of their own: `handrail up` and `handrail smtp` run them, and
    `handrail web` does not. `process_input` processes an input that the channel has stored; if it raises Retryable, it
    is called again later.
    """

    channel: Channel | PullChannel | None = None
    endpoints: tuple[Endpoint, ...] = ()
    services: tuple[Service, ...] = ()
    listeners: tuple[Service, ...] = ()
    process_input: Callable[[StoredInput, Runtime], Awaitable[InputResult]] | None = None
    doctor_checks: Callable[[], Iterable[Finding]] = tuple
    close: Callable[[], Awaitable[None]] | None = None
    problem: str | None = None
