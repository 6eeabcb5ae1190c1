"""Parser of verified Slack payloads, from HTTP or Socket Mode, into Slack events; without I/O."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agents.core.errors import InvalidInput
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
    """Payload without its transport encoding. `kind` is the envelope type of Socket Mode, also for HTTP."""

    kind: str
    payload: Mapping[str, Any]


def parse_http(body: bytes, content_type: str, bot: BotIdentity) -> SlackEvent:
    """Parse a request of Slack. Raises InvalidInput, and no other exception, for a malformed one."""
    return parse_payload(unpack_http(body, content_type), bot)


def unpack_http(body: bytes, content_type: str) -> InboundPayload:
    """Decode the body of a verified request. Raises InvalidInput.

    Events are JSON; interactions are forms with JSON in `payload`; slash commands and SSL checks are plain forms.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("the body is larger than any request of Slack")
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
    """Decode an envelope of Socket Mode. Raises InvalidInput.

    The SDK's JSON parser accepts lone surrogates, which the HTTP endpoint rejects: the payload is parsed again, so that
    both transports accept the same.
    """
    if not isinstance(payload, dict):
        raise InvalidInput("invalid Slack payload: payload")
    return InboundPayload(kind, parse_json_object(json.dumps(payload)))


def is_ssl_check(body: bytes, content_type: str) -> bool:
    """Return whether this is Slack's SSL check, which is not signed; therefore the body is not parsed."""
    return len(body) <= _MAX_SSL_CHECK_BYTES and _is_form(content_type) and _SSL_CHECK_FIELD in body.split(b"&")


def url_verification_challenge(inbound: InboundPayload) -> str | None:
    """Return the challenge of Slack's URL verification, None for any other payload. Raises InvalidInput.

    This needs no bot identity: Slack verifies the URL before the app is completely configured.
    """
    if inbound.kind != "events_api" or inbound.payload.get("type") != "url_verification":
        return None
    return _parse_challenge(inbound.payload.get("challenge")).challenge


def parse_payload(inbound: InboundPayload, bot: BotIdentity) -> SlackEvent:
    """Parse a decoded payload. Raises InvalidInput."""
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
            return Ignored("an envelope of an unknown type")


def parse_socket_envelope(kind: str, payload: Any, bot: BotIdentity) -> SlackEvent:
    """Parse an envelope of Socket Mode. Raises InvalidInput."""
    return parse_payload(unpack_socket_envelope(kind, payload), bot)


def parse_events_api(payload: Mapping[str, Any], bot: BotIdentity) -> SlackEvent:
    """Parse a payload of the Events API: an event, or a message about the API itself. Raises InvalidInput."""
    match payload.get("type"):
        case "event_callback":
            return parse_event(payload, bot)
        case "url_verification":
            return _parse_challenge(payload.get("challenge"))
        case "app_rate_limited":
            return Ignored("Slack limits the rate of events for a minute (app_rate_limited)")
        case str(kind):
            return Ignored(f"an envelope of an unknown type: {kind[:60]!a}")
        case _:
            raise InvalidInput("invalid Slack payload: type")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _FORM_CONTENT_TYPE


def _parse_challenge(challenge: Any) -> UrlVerification:
    if not isinstance(challenge, str) or not _CHALLENGE_PATTERN.fullmatch(challenge):
        raise InvalidInput("invalid Slack payload: challenge")
    return UrlVerification(challenge)


def _parse_form(body: bytes) -> dict[str, str]:
    """Parse the fields of a form. Raises InvalidInput for bytes that are not UTF-8."""
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS
        )
    except ValueError:
        raise InvalidInput("the body is not a form in UTF-8") from None
    return dict(fields)
