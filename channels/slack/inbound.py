"""What Slack sends, understood. Pure: it is verified before, and nothing here asks or tells anybody."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from agents.errors import Invalid
from channels.slack.events import read_event
from channels.slack.facts import Challenge, Checked, Fact, Ignored, Ourselves
from channels.slack.interaction import read_command, read_interaction
from channels.slack.payloads import MOST_BYTES, json_object

_FORM = "application/x-www-form-urlencoded"
_COMMAND = "slash_commands"
_CHECK = b"ssl_check=1"
_MOST_FIELDS = 100
_LONGEST_CHECK = 2000
_CHALLENGE = re.compile(r"[!-~]{1,1000}", re.ASCII)


@dataclass(frozen=True)
class Unpacked:
    """What came in, without what was around it. `kind` is that of an envelope of Socket Mode."""

    kind: str
    payload: Mapping[str, Any]


def understand(body: bytes, content_type: str, us: Ourselves) -> Fact:
    """What a request of Slack says. Raises Invalid, and nothing else, for what nobody can understand."""
    return fact_of(unpacked(body, content_type), us)


def unpacked(body: bytes, content_type: str) -> Unpacked:
    """A request that was verified. Raises Invalid.

    Events are JSON; interactions a form with JSON in `payload`; slash commands and the check of our certificate plain
    forms.
    """
    if len(body) > MOST_BYTES:
        raise Invalid("this is longer than anything Slack sends")
    if not _is_form(content_type):
        return Unpacked("events_api", json_object(body))
    form = _fields(body)
    if form.get("ssl_check") == "1":
        return Unpacked("ssl_check", form)
    return Unpacked("interactive", json_object(form["payload"])) if "payload" in form else Unpacked(_COMMAND, form)


def unpacked_envelope(kind: str, payload: Any) -> Unpacked:
    """An envelope of Socket Mode: the same payloads, without forms around them. Raises Invalid.

    The SDK takes for JSON what is none over HTTP, such as half of a surrogate pair: it is read once more.
    """
    if not isinstance(payload, dict):
        raise Invalid("not understood, from Slack: payload")
    return Unpacked(kind, json_object(json.dumps(payload)))


def is_check(body: bytes, content_type: str) -> bool:
    """Whether Slack only looks if our certificate holds, which it does not sign: nothing of it is parsed."""
    return len(body) <= _LONGEST_CHECK and _is_form(content_type) and _CHECK in body.split(b"&")


def challenge_of(came: Unpacked) -> str | None:
    """What Slack wants to hear back when it looks whether the address is ours; None for everything else.

    It is answered without knowing who we are: the address is verified before all else works. Raises Invalid.
    """
    if came.kind != "events_api" or came.payload.get("type") != "url_verification":
        return None
    return _challenge(came.payload.get("challenge")).challenge


def fact_of(came: Unpacked, us: Ourselves) -> Fact:
    """What it says. Raises Invalid."""
    match came.kind:
        case "events_api":
            return from_events(came.payload, us)
        case "interactive":
            return read_interaction(came.payload)
        case "slash_commands":
            return read_command(came.payload)
        case "ssl_check":
            return Checked()
        case _:
            return Ignored("an envelope of another kind")


def from_socket(kind: str, payload: Any, us: Ourselves) -> Fact:
    """What an envelope of Socket Mode says. Raises Invalid."""
    return fact_of(unpacked_envelope(kind, payload), us)


def from_events(payload: Mapping[str, Any], us: Ourselves) -> Fact:
    """What the Events API says, in events and about itself."""
    match payload.get("type"):
        case "event_callback":
            return read_event(payload, us)
        case "url_verification":
            return _challenge(payload.get("challenge"))
        case "app_rate_limited":
            return Ignored("Slack sends us fewer events for a minute: too many happened")
        case str(kind):
            return Ignored(f"an envelope of another kind: {kind[:60]!a}")
        case _:
            raise Invalid("not understood, from Slack: type")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _FORM


def _challenge(challenge: Any) -> Challenge:
    if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
        raise Invalid("not understood, from Slack: challenge")
    return Challenge(challenge)


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Invalid for other bytes than UTF-8."""
    try:
        found = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("this is not a form in UTF-8") from None
    return dict(found)
