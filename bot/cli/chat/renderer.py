"""Render the events and requests of a conversation, each once, even if it arrives twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import RenderableType

from agents.core.people import name_in
from channels.terminal.client import LoggedEvent
from channels.terminal.views import (
    MESSAGE_CHANGE_EVENT_TYPES,
    ApiRequest,
    answer_view,
    card_view,
    closed_view,
    error_view,
    format_event,
    info_view,
    message_change_view,
    message_view,
)

_EVENT_TEXTS = {
    "RequestReminded": "the request has not been answered yet",
    "ToolFailed": "the tool failed",
    "ThreadPaused": "the thread is paused",
    "ThreadResumed": "the thread is resumed",
    "ThreadCancelled": "the thread is cancelled",
    "TimerSet": "the agent is waiting",
}
_DELIVERY_EVENTS = ("RequestShown", "MessageSent")
"""Events with a receipt; that of a simulated delivery has the text that the recipient would have read."""
_REQUEST_EVENTS = ("RequestOpened", "RequestAnswered", "RequestExpired", "RequestSuperseded")
TIMER_END_EVENTS = ("TimerFired", "MessageReceived")
"""Events that end the wait of a TimerSet. A thread that waits without a TimerSet waits to retry."""

THREAD_END_EVENTS = ("ThreadCancelled", "ThreadFinished")


@dataclass
class EventRenderer:
    """Renderer that remembers what was shown.

    `unechoed_texts` are messages sent from here whose events have not arrived yet. `requests` has the last known
    state of each request and `shown_digests` the digest of its last shown card, both by the request's id.
    `shown_deliveries` are the ids of simulated messages.
    """

    unechoed_texts: list[str] = field(default_factory=list)
    requests: dict[str, ApiRequest] = field(default_factory=dict)
    shown_digests: dict[str, str] = field(default_factory=dict)
    shown_deliveries: set[str] = field(default_factory=set)

    def render_event(self, event: LoggedEvent) -> Iterator[RenderableType]:
        """Yield the views of an event. Requests are rendered by `render_request_changes` instead."""
        if event.type == "MessageReceived":
            yield from self._render_message(event)
        elif event.type in MESSAGE_CHANGE_EVENT_TYPES:
            yield message_change_view(event.speaker, event.data.get("text"))
        elif event.type == "NoticeGiven":
            yield info_view(event.data["text"])
        elif event.type == "ReplyChosen":
            yield message_view(event.speaker, event.data["text"], "bold green")
        elif event.type == "ThreadFinished" and event.data.get("outcome") == "failed":
            yield error_view(f"the thread failed: {format_event(event.type, event.data, event.names)}")
        elif event.type in _DELIVERY_EVENTS:
            yield from self._render_delivery(event)
        elif event.type in _EVENT_TEXTS:
            summary = format_event(event.type, event.data, event.names)
            yield info_view(f"{_EVENT_TEXTS[event.type]}: {summary}" if summary else _EVENT_TEXTS[event.type])

    def _render_delivery(self, event: LoggedEvent) -> Iterator[RenderableType]:
        """Yield the text of a simulated delivery, once: a card that is not sent again keeps its receipt."""
        receipt, to = event.data["receipt"], event.data["to"]
        if receipt.get("text") and receipt["ref"] not in self.shown_deliveries:
            self.shown_deliveries.add(receipt["ref"])
            yield info_view(f"to {name_in(event.names, to)} ({to.partition(':')[0]}): {receipt['text']}")

    def render_request_changes(self, request: ApiRequest, reader: str | None = None) -> Iterator[RenderableType]:
        """Yield what is new about a request: its card, answers that left it open, or its outcome."""
        previous = self.requests.get(request.id)
        self.requests[request.id] = request
        if request.status != "open":
            if previous is None or previous.status == "open":
                yield closed_view(request)
            return
        if previous is not None:
            yield from (answer_view(request, answer) for answer in request.answers if answer not in previous.answers)
        if previous is None or previous.digest != request.digest:
            yield self.render_card(request, reader)

    def render_card(self, request: ApiRequest, reader: str | None = None) -> RenderableType:
        """Return the card of a request for its reader and remember it as shown."""
        self.remember(request)
        self.shown_digests[request.id] = request.digest
        return card_view(request, viewer=reader)

    def remember(self, request: ApiRequest) -> None:
        """Remember a request without showing it."""
        self.requests[request.id] = request

    def has_shown(self, request: ApiRequest) -> bool:
        """Return whether this version of the request's card was shown."""
        return self.shown_digests.get(request.id) == request.digest

    def find_by_code(self, code: str) -> ApiRequest | None:
        """Return the request with this code, if it is known."""
        return next((request for request in self.requests.values() if request.code == code), None)

    def open_requests(self) -> list[ApiRequest]:
        """Return the requests that were open when they were last fetched."""
        return [request for request in self.requests.values() if request.status == "open"]

    def _render_message(self, event: LoggedEvent) -> Iterator[RenderableType]:
        text = event.data["text"]
        if text in self.unechoed_texts:
            self.unechoed_texts.remove(text)
        else:
            yield message_view(event.speaker, text)


def request_id_of_event(event: LoggedEvent) -> str | None:
    """Return the id of the request that an event is about, or None."""
    if event.type not in _REQUEST_EVENTS:
        return None
    opened = event.data.get("request")
    request_id: str | None = opened["id"] if isinstance(opened, dict) else event.data.get("request_id")
    return request_id
