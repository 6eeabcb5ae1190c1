"""What there is to show of a conversation, each thing once, whichever way it comes in."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import RenderableType

from channels.terminal.client import LoggedEvent
from channels.terminal.views import (
    EDIT_EVENT_TYPES,
    ApiRequest,
    answer_view,
    card_view,
    closed_view,
    edited_view,
    error_view,
    format_event,
    info_view,
    message_view,
)

_EVENT_TEXTS = {
    "RequestReminded": "nobody has answered yet",
    "ToolFailed": "that did not work",
    "ThreadPaused": "the thread is paused",
    "ThreadResumed": "the thread goes on",
    "ThreadCancelled": "the thread is cancelled",
    "TimerSet": "the agent waits",
}
_REQUEST_EVENTS = ("RequestOpened", "RequestAnswered", "RequestExpired", "RequestSuperseded")
TIMER_END_EVENTS = ("TimerFired", "MessageReceived")
"""Events after which a thread no longer waits for the time of an `await`; without one it waits for a retry."""

THREAD_END_EVENTS = ("ThreadCancelled", "ThreadFinished")


@dataclass
class EventRenderer:
    """Remembers what was shown. `sent` holds what was said here, which comes back once in the log.

    `requests` are as they were last heard of, `digests` those of the cards that were shown, by the request's id.
    """

    unechoed_texts: list[str] = field(default_factory=list)
    requests: dict[str, ApiRequest] = field(default_factory=dict)
    shown_digests: dict[str, str] = field(default_factory=dict)

    def render_event(self, event: LoggedEvent) -> Iterator[RenderableType]:
        """What an event has to show by itself; what it says of a request is shown by `of_request`."""
        if event.type == "MessageReceived":
            yield from self._render_message(event)
        elif event.type in EDIT_EVENT_TYPES:
            yield edited_view(event.speaker, event.data.get("text"))
        elif event.type == "NoticeGiven":
            yield info_view(event.data["text"])
        elif event.type == "ReplyChosen":
            yield message_view(event.speaker, event.data["text"], "bold green")
        elif event.type == "ThreadFinished" and event.data.get("outcome") == "failed":
            yield error_view(f"the thread failed: {format_event(event.type, event.data, event.names)}")
        elif event.type in _EVENT_TEXTS:
            gist = format_event(event.type, event.data, event.names)
            yield info_view(f"{_EVENT_TEXTS[event.type]}: {gist}" if gist else _EVENT_TEXTS[event.type])

    def render_request_changes(self, request: ApiRequest, reader: str | None = None) -> Iterator[RenderableType]:
        """What is new about a request for its reader: its card, an answer that left it open, how it ended."""
        before = self.requests.get(request.id)
        self.requests[request.id] = request
        if request.status != "open":
            if before is None or before.status == "open":
                yield closed_view(request)
            return
        if before is not None:
            yield from (answer_view(request, answer) for answer in request.answers if answer not in before.answers)
        if before is None or before.digest != request.digest:
            yield self.render_card(request, reader)

    def render_card(self, request: ApiRequest, reader: str | None = None) -> RenderableType:
        """Return the card of a request for its reader, which counts as shown."""
        self.remember(request)
        self.shown_digests[request.id] = request.digest
        return card_view(request, viewer=reader)

    def remember(self, request: ApiRequest) -> None:
        """Remember a request without showing it."""
        self.requests[request.id] = request

    def has_shown(self, request: ApiRequest) -> bool:
        """Return whether the card of a request was shown as it is."""
        return self.shown_digests.get(request.id) == request.digest

    def find_by_code(self, code: str) -> ApiRequest | None:
        """Return the request with this code, if it is known."""
        return next((request for request in self.requests.values() if request.code == code), None)

    def open_requests(self) -> list[ApiRequest]:
        """Those that were open when last looked at."""
        return [request for request in self.requests.values() if request.status == "open"]

    def _render_message(self, event: LoggedEvent) -> Iterator[RenderableType]:
        text = event.data["text"]
        if text in self.unechoed_texts:
            self.unechoed_texts.remove(text)
        else:
            yield message_view(event.speaker, text)


def request_id_of_event(event: LoggedEvent) -> str | None:
    """The id of the request an event is about."""
    if event.type not in _REQUEST_EVENTS:
        return None
    asked = event.data.get("request")
    named: str | None = asked["id"] if isinstance(asked, dict) else event.data.get("request_id")
    return named
