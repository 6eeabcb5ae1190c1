"""What Slack sends, understood. Pure: it is verified before, and nothing here asks or tells anybody."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from agents.errors import Invalid
from channels.slack.events import read_event
from channels.slack.facts import Challenge, Checked, Fact, Ignored, Ourselves
from channels.slack.interaction import read_command, read_interaction
from channels.slack.payloads import MOST_BYTES, json_object

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100
_LONGEST_CHECK = 2000
_CHALLENGE = re.compile(r"[!-~]{1,1000}", re.ASCII)


def understand(body: bytes, content_type: str, us: Ourselves) -> Fact:
    """What a request of Slack says. Raises Invalid, and nothing else, for what nobody can understand.

    Events are JSON; interactions a form with JSON in `payload`; slash commands and the check of our certificate plain
    forms.
    """
    if len(body) > MOST_BYTES:
        raise Invalid("this is longer than anything Slack sends")
    if _is_form(content_type):
        return _from_form(_fields(body))
    return from_events(json_object(body), us)


def is_check(body: bytes, content_type: str) -> bool:
    """Whether Slack only looks if our certificate holds, which it does not sign."""
    if len(body) > _LONGEST_CHECK or not _is_form(content_type):
        return False
    try:
        return isinstance(_from_form(_fields(body)), Checked)
    except Invalid:
        return False


def challenge_of(body: bytes, content_type: str) -> str | None:
    """What Slack wants to hear back when it looks whether the address is ours; None for everything else.

    It is answered without knowing who we are: the address is verified before all else works. Raises Invalid.
    """
    if len(body) > _LONGEST_CHECK or b"url_verification" not in body or _is_form(content_type):
        return None
    payload = json_object(body)
    return _challenge(payload.get("challenge")).challenge if payload.get("type") == "url_verification" else None


def from_socket(kind: str, payload: Any, us: Ourselves) -> Fact:
    """What an envelope of Socket Mode says: the same payloads, without forms around them.

    The SDK takes for JSON what is none over HTTP, such as half of a surrogate pair: it is read once more.
    """
    if not isinstance(payload, dict):
        raise Invalid("not understood, from Slack: payload")
    payload = json_object(json.dumps(payload))
    match kind:
        case "events_api":
            return from_events(payload, us)
        case "interactive":
            return read_interaction(payload)
        case "slash_commands":
            return read_command(payload)
        case _:
            return Ignored("an envelope of another kind")


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


def _from_form(form: Mapping[str, str]) -> Fact:
    if form.get("ssl_check") == "1":
        return Checked()
    if "payload" in form:
        return read_interaction(json_object(form["payload"]))
    return read_command(form)


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Invalid for other bytes than UTF-8."""
    try:
        found = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("this is not a form in UTF-8") from None
    return dict(found)
