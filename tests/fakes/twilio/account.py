"""Fake of Twilio's Messages API: strict about requests, stateful, and with the error bodies of the real one.

Shapes: twilio.com/docs/messaging/api/message-resource. The fake answers HTTP at a loopback port; its webhooks are in
`phones.py`.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.fakes.http_server import HttpRequest, HttpResponse

API_VERSION = "2010-04-01"
MAX_BODY_LENGTH = 1600
MAX_VALIDITY_SECONDS = 36_000
PAGE_SIZE = 50

_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_CREATE_PARAMETERS = {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod", "MediaUrl"}
_LIST_PARAMETERS = {"To", "From", "DateSent>", "PageSize", "Page", "PageToken"}

Status = Literal["queued", "sent", "delivered", "undelivered", "failed", "received"]
Fault = Literal["refuse", "lose the answer", "hang up before"] | tuple[int, int]
"""Fate of the next creation: 503 without effect, created without an answer, no effect and no answer, or an
HTTP status and an error code."""


@dataclass
class TwilioMessage:
    """One message of the account, sent or received."""

    sid: str
    direction: Literal["outbound-api", "inbound"]
    sender: str
    to: str
    body: str
    at: datetime
    status: Status
    error_code: int | None = None
    callback_url: str | None = None
    validity_seconds: int | None = None
    media: tuple[tuple[str, str], ...] = ()

    def to_json(self, account_sid: str) -> dict[str, Any]:
        """Return the message as the API shows it."""
        date = format_datetime(self.at)
        return {
            "account_sid": account_sid, "api_version": API_VERSION, "body": self.body, "date_created": date,
            "date_sent": date, "date_updated": date, "direction": self.direction, "error_code": self.error_code,
            "error_message": None, "from": self.sender, "messaging_service_sid": None,
            "num_media": str(len(self.media)), "num_segments": "1", "price": None, "price_unit": "USD",
            "sid": self.sid, "status": self.status, "to": self.to, "subresource_uris": {},
            "uri": f"/{API_VERSION}/Accounts/{account_sid}/Messages/{self.sid}.json",
        }  # fmt: skip


@dataclass
class FakeTwilio:
    """One account with one number. `opted_out` are the numbers that Twilio itself blocks after STOP."""

    now: Callable[[], datetime]
    account_sid: str = "AC" + "0123456789abcdef" * 2
    auth_token: str = "the-token-of-the-fake-account"
    number: str = "+15550009000"
    messages: list[TwilioMessage] = field(default_factory=list)
    opted_out: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    created_count: int = 0
    _sid_counter: "count[int]" = field(default_factory=lambda: count(1))

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request to the API."""
        path, _, query = request.path.partition("?")
        if not self._is_authorized(request):
            return _error(401, 20003, "Authenticate")
        if path != f"/{API_VERSION}/Accounts/{self.account_sid}/Messages.json":
            return _error(404, 20404, "The requested resource was not found")
        if request.method == "GET":
            return self._list(dict(parse_qsl(query)))
        return self._create(dict(parse_qsl(request.body.decode(), keep_blank_values=True)))

    def sent_to(self, number: str) -> list[TwilioMessage]:
        """Return the messages that the bot has sent to a number, the oldest first."""
        return [one for one in self.messages if one.direction == "outbound-api" and one.to == number]

    def receive(self, sender: str, body: str, media: tuple[tuple[str, str], ...] = ()) -> TwilioMessage:
        """Record a message from a phone. STOP and START change what Twilio blocks."""
        prefix: Any = "MM" if media else "SM"
        message = TwilioMessage(
            self._new_sid(prefix), "inbound", sender, self.number, body, self.now(), "received", media=media
        )
        self.messages.append(message)
        if body.strip().upper() in {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}:
            self.opted_out.add(sender)
        if body.strip().upper() in {"START", "YES", "UNSTOP"}:
            self.opted_out.discard(sender)
        return message

    def _is_authorized(self, request: HttpRequest) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        return scheme == "Basic" and b64decode(encoded).decode() == f"{self.account_sid}:{self.auth_token}"

    def _create(self, fields: dict[str, str]) -> HttpResponse:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "refuse":
            return _error(503, 20503, "Service unavailable")
        if fault == "hang up before":
            return HttpResponse(end="hang up")
        if isinstance(fault, tuple):
            return _error(fault[0], fault[1], "As the test says")
        if (error := self._check(fields)) is not None:
            return error
        validity = fields.get("ValidityPeriod")
        message = TwilioMessage(
            sid=self._new_sid("SM"),
            direction="outbound-api",
            sender=self.number,
            to=fields["To"],
            body=fields["Body"],
            at=self.now(),
            status="queued",
            callback_url=fields.get("StatusCallback"),
            validity_seconds=int(validity) if validity else None,
        )
        self.messages.append(message)
        self.created_count += 1
        if fault == "lose the answer":
            return HttpResponse(end="hang up")
        return _json(201, message.to_json(self.account_sid))

    def _check(self, fields: dict[str, str]) -> HttpResponse | None:
        """Return the error for a creation that Twilio refuses."""
        scheme = urlsplit(fields.get("StatusCallback", "https://none.test")).scheme
        rules: tuple[tuple[bool, int, str], ...] = (
            (
                set(fields) <= _CREATE_PARAMETERS,
                20001,
                f"unknown parameters: {sorted(set(fields) - _CREATE_PARAMETERS)}",
            ),
            (bool(_PHONE.fullmatch(fields.get("To", ""))), 21211, "Invalid 'To' Phone Number"),
            (fields.get("From") == self.number, 21606, "The 'From' phone number is not a valid sender"),
            (0 < len(fields.get("Body", "")) <= MAX_BODY_LENGTH, 21617, "The body must have 1 to 1600 characters"),
            (1 <= int(fields.get("ValidityPeriod", "1")) <= MAX_VALIDITY_SECONDS, 21640, "Invalid validity period"),
            (scheme in ("http", "https"), 21609, "Invalid 'StatusCallback' URL"),
            (fields.get("To") not in self.opted_out, 21610, "Attempt to send to unsubscribed recipient"),
        )
        return next((_error(400, code, text) for is_met, code, text in rules if not is_met), None)

    def _list(self, query: dict[str, str]) -> HttpResponse:
        if unknown := set(query) - _LIST_PARAMETERS:
            return _error(400, 20001, f"unknown parameters: {sorted(unknown)}")
        found = [one for one in reversed(self.messages) if _matches(one, query)]
        size, page = int(query.get("PageSize", PAGE_SIZE)), int(query.get("Page", 0))
        shown = found[page * size : (page + 1) * size]
        base = f"/{API_VERSION}/Accounts/{self.account_sid}/Messages.json"
        has_more = len(found) > (page + 1) * size
        following = f"{base}?{urlencode({**query, 'Page': page + 1, 'PageToken': 'next'})}" if has_more else None
        return _json(200, {
            "messages": [one.to_json(self.account_sid) for one in shown],
            "page": page, "page_size": size, "next_page_uri": following, "previous_page_uri": None,
            "first_page_uri": base, "uri": base, "start": page * size, "end": page * size + len(shown) - 1,
        })  # fmt: skip

    def _new_sid(self, prefix: Literal["SM", "MM"]) -> str:
        return f"{prefix}{next(self._sid_counter):032x}"


def _matches(message: TwilioMessage, query: dict[str, str]) -> bool:
    """Return whether a message passes the filters. `DateSent>` is a time, inclusive, as the API compares it."""
    since = query.get("DateSent>")
    return (
        query.get("To") in (None, message.to)
        and query.get("From") in (None, message.sender)
        and (since is None or message.at + timedelta(seconds=1) > datetime.fromisoformat(since))
    )


def _error(status: int, code: int, text: str) -> HttpResponse:
    url = f"https://www.twilio.com/docs/errors/{code}"
    return _json(status, {"code": code, "message": text, "more_info": url, "status": status})


def _json(status: int, content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(content).encode())
