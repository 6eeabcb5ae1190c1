"""Recorded Slack payloads from `tests/payloads/slack`, as HTTP requests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from channels.slack.app import decode_http
from channels.slack.inbound_events import BotIdentity
from tests.channels.slack.recording_listeners import dispatch_recorded

PAYLOADS = Path(__file__).parents[2] / "payloads" / "slack"
NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))
BOT = BotIdentity(bot_id="B0RAIL", user_id="U0RAIL", team="T0HOME")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def load_payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def encode_http(name: str, body: Any) -> tuple[bytes, str]:
    """Return the request's body and content type."""
    if name.startswith("command"):
        return urlencode(body).encode(), FORM
    if name.startswith(("click", "choice", "modal", "other_modal", "shortcut")):
        return urlencode({"payload": json.dumps(body)}).encode(), FORM
    return json.dumps(body).encode(), f"{JSON}; charset=utf-8"


def parse_http(body: bytes, content_type: str, bot: BotIdentity = BOT) -> Any:
    """Return the event that a listener handles for a request, None if no listener handles it."""
    return parse_payload(decode_http(body, content_type), bot)


def parse_payload(payload: Mapping[str, Any], bot: BotIdentity = BOT) -> Any:
    """Return the event that a listener handles for a payload, None if no listener handles it."""
    return dispatch_recorded(payload, bot)


def parse_recorded(name: str) -> Any:
    return parse_http(*encode_http(name, load_payload(name)))
