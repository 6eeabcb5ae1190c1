"""What Slack sends, understood. Pure: it is verified before, and nothing here asks or tells anybody."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agents.errors import InvalidInput
from channels.slack.events_api import parse_event
from channels.slack.inbound_events import BotIdentity, Ignored, SlackEvent, SslCheck, UrlVerification
from channels.slack.interactions import parse_interaction, parse_slash_command
from channels.slack.payloads import MAX_BODY_BYTES, parse_json_object

_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_SLASH_COMMANDS = "slash_commands"
_SSL_CHECK_FIELD = b"ssl_check=1"
_MAX_FORM_FIELDS = 100
_MAX_SSL_CHECK_BYTES = 2000
_CHALLENGE_PATTERN = re.compile(r"[!-~]{1,1000}", re.ASCII)


@dataclass(frozen=True)
class InboundPayload:
    """What came in, without what was around it. `kind` is that of an envelope of Socket Mode."""

    kind: str
    payload: Mapping[str, Any]


def parse_http(body: bytes, content_type: str, bot: BotIdentity) -> SlackEvent:
    """What a request of Slack says. Raises Invalid, and nothing else, for what nobody can understand."""
    return parse_payload(unpack_http(body, content_type), bot)


def unpack_http(body: bytes, content_type: str) -> InboundPayload:
    """A request that was verified. Raises Invalid.

    Events are JSON; interactions a form with JSON in `payload`; slash commands and the check of our certificate plain
    forms.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("this is longer than anything Slack sends")
    if not _is_form(content_type):
        return InboundPayload("events_api", parse_json_object(body))
    form = _parse_form(body)
    if form.get("ssl_check") == "1":
        return InboundPayload("ssl_check", form)
    return (
        InboundPayload("interactive", parse_json_object(form["payload"]))
        if "payload" in form
        else InboundPayload(_SLASH_COMMANDS, form)
    )


def unpack_socket_envelope(kind: str, payload: Any) -> InboundPayload:
    """An envelope of Socket Mode: the same payloads, without forms around them. Raises Invalid.

    The SDK takes for JSON what is none over HTTP, such as half of a surrogate pair: it is read once more.
    """
    if not isinstance(payload, dict):
        raise InvalidInput("not understood, from Slack: payload")
    return InboundPayload(kind, parse_json_object(json.dumps(payload)))


def is_ssl_check(body: bytes, content_type: str) -> bool:
    """Whether Slack only looks if our certificate holds, which it does not sign: nothing of it is parsed."""
    return len(body) <= _MAX_SSL_CHECK_BYTES and _is_form(content_type) and _SSL_CHECK_FIELD in body.split(b"&")


def url_verification_challenge(inbound: InboundPayload) -> str | None:
    """What Slack wants to hear back when it looks whether the address is ours; None for everything else.

    It is answered without knowing who we are: the address is verified before all else works. Raises Invalid.
    """
    if inbound.kind != "events_api" or inbound.payload.get("type") != "url_verification":
        return None
    return _parse_challenge(inbound.payload.get("challenge")).challenge


def parse_payload(inbound: InboundPayload, bot: BotIdentity) -> SlackEvent:
    """What it says. Raises Invalid."""
    match inbound.kind:
        case "events_api":
            return parse_events_api(inbound.payload, bot)
        case "interactive":
            return parse_interaction(inbound.payload)
        case "slash_commands":
            return parse_slash_command(inbound.payload)
        case "ssl_check":
            return SslCheck()
        case _:
            return Ignored("an envelope of another kind")


def parse_socket_envelope(kind: str, payload: Any, bot: BotIdentity) -> SlackEvent:
    """What an envelope of Socket Mode says. Raises Invalid."""
    return parse_payload(unpack_socket_envelope(kind, payload), bot)


def parse_events_api(payload: Mapping[str, Any], bot: BotIdentity) -> SlackEvent:
    """What the Events API says, in events and about itself."""
    match payload.get("type"):
        case "event_callback":
            return parse_event(payload, bot)
        case "url_verification":
            return _parse_challenge(payload.get("challenge"))
        case "app_rate_limited":
            return Ignored("Slack sends us fewer events for a minute: too many happened")
        case str(kind):
            return Ignored(f"an envelope of another kind: {kind[:60]!a}")
        case _:
            raise InvalidInput("not understood, from Slack: type")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _FORM_CONTENT_TYPE


def _parse_challenge(challenge: Any) -> UrlVerification:
    if not isinstance(challenge, str) or not _CHALLENGE_PATTERN.fullmatch(challenge):
        raise InvalidInput("not understood, from Slack: challenge")
    return UrlVerification(challenge)


def _parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Invalid for other bytes than UTF-8."""
    try:
        found = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS
        )
    except ValueError:
        raise InvalidInput("this is not a form in UTF-8") from None
    return dict(found)
