"""What there is to show of a conversation, each thing once, whichever way it comes in."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import RenderableType

from channels.terminal.client import LoggedEvent
from channels.terminal.outbound import (
    REWORDED,
    RequestView,
    answered,
    card,
    event_line,
    notice,
    reworded,
    settled,
    speech,
    trouble,
)

_REMARKS = {
    "RequestReminded": "nobody has answered yet",
    "ToolFailed": "that did not work",
    "ThreadPaused": "the thread is paused",
    "ThreadResumed": "the thread goes on",
    "ThreadCancelled": "the thread is cancelled",
    "TimerSet": "the agent waits",
}
_ASKING = ("RequestOpened", "RequestAnswered", "RequestExpired", "RequestSuperseded")
ENDS_TIMER = ("TimerFired", "MessageReceived")
"""Events after which a thread no longer waits for the time of an `await`; without one it waits for a retry."""

ENDING = ("ThreadCancelled", "ThreadFinished")


@dataclass
class News:
    """Remembers what was shown. `sent` holds what was said here, which comes back once in the log.

    `requests` are as they were last heard of, `digests` those of the cards that were shown, by the request's id.
    """

    sent: list[str] = field(default_factory=list)
    requests: dict[str, RequestView] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def of_event(self, event: LoggedEvent) -> Iterator[RenderableType]:
        """What an event has to show by itself; what it says of a request is shown by `of_request`."""
        if event.type == "MessageReceived":
            yield from self._heard(event)
        elif event.type in REWORDED:
            yield reworded(event.speaker, event.data.get("text"))
        elif event.type == "NoticeGiven":
            yield notice(event.data["text"])
        elif event.type == "ReplyChosen":
            yield speech(event.speaker, event.data["text"], "bold green")
        elif event.type == "ThreadFinished" and event.data.get("outcome") == "failed":
            yield trouble(f"the thread failed: {event_line(event.type, event.data, event.names)}")
        elif event.type in _REMARKS:
            gist = event_line(event.type, event.data, event.names)
            yield notice(f"{_REMARKS[event.type]}: {gist}" if gist else _REMARKS[event.type])

    def of_request(self, request: RequestView, reader: str | None = None) -> Iterator[RenderableType]:
        """What is new about a request for its reader: its card, an answer that left it open, how it ended."""
        before = self.requests.get(request.id)
        self.requests[request.id] = request
        if request.status != "open":
            if before is None or before.status == "open":
                yield settled(request)
            return
        if before is not None:
            yield from (answered(request, answer) for answer in request.answers if answer not in before.answers)
        if before is None or before.digest != request.digest:
            yield self.card_of(request, reader)

    def card_of(self, request: RequestView, reader: str | None = None) -> RenderableType:
        """Return the card of a request for its reader, which counts as shown."""
        self.note(request)
        self.digests[request.id] = request.digest
        return card(request, reader=reader)

    def note(self, request: RequestView) -> None:
        """Remember a request without showing it."""
        self.requests[request.id] = request

    def has_shown(self, request: RequestView) -> bool:
        """Return whether the card of a request was shown as it is."""
        return self.digests.get(request.id) == request.digest

    def coded(self, code: str) -> RequestView | None:
        """Return the request with this code, if it is known."""
        return next((request for request in self.requests.values() if request.code == code), None)

    def waiting(self) -> list[RequestView]:
        """Those that were open when last looked at."""
        return [request for request in self.requests.values() if request.status == "open"]

    def _heard(self, event: LoggedEvent) -> Iterator[RenderableType]:
        text = event.data["text"]
        if text in self.sent:
            self.sent.remove(text)
        else:
            yield speech(event.speaker, text)


def request_of(event: LoggedEvent) -> str | None:
    """The id of the request an event is about."""
    if event.type not in _ASKING:
        return None
    asked = event.data.get("request")
    named: str | None = asked["id"] if isinstance(asked, dict) else event.data.get("request_id")
    return named
