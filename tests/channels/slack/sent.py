"""What Slack sends, from the payloads in `tests/payloads/slack`, as it arrives over HTTP."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from channels.slack.facts import Fact, Ourselves
from channels.slack.inbound import understand

PAYLOADS = Path(__file__).parents[2] / "payloads" / "slack"
NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))
US = Ourselves(bot_id="B0RAIL", user_id="U0RAIL", team="T0HOME")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def arrived(name: str, sent: Any) -> tuple[bytes, str]:
    """The body and its content type."""
    if name.startswith("command"):
        return urlencode(sent).encode(), FORM
    if name.startswith(("click", "choice", "modal", "other_modal", "shortcut")):
        return urlencode({"payload": json.dumps(sent)}).encode(), FORM
    return json.dumps(sent).encode(), f"{JSON}; charset=utf-8"


def understood(name: str) -> Fact:
    return understand(*arrived(name, payload(name)), US)
