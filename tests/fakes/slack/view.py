"""Modal or Home tab as the fake Slack stores it, and Slack's limits for views."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.limits import MAX_VIEW_BLOCKS, check_blocks, check_length
from tests.fakes.slack.message import Json

_MAX_TEXT_LENGTHS = {"title": 24, "submit": 24, "close": 24}
_MAX_STRING_LENGTHS = {"callback_id": 255, "private_metadata": 3000, "external_id": 255}


@dataclass(eq=False)
class View:
    """View of one user. `is_seen` means that the test has looked at it, `is_open` that the user still sees it."""

    id: str
    user: str
    hash: str
    content: Json
    is_seen: bool = False
    is_open: bool = True

    @property
    def title(self) -> str:
        title: str = self.content["title"]["text"]
        return title

    def to_payload(self, app_id: str, bot: str, team: str) -> Json:
        """Return the view as in a Web API response or a submission."""
        defaults = {"private_metadata": "", "callback_id": "", "clear_on_close": False, "notify_on_close": False}
        ids = {"id": self.id, "team_id": team, "app_id": app_id, "bot_id": bot, "hash": self.hash}
        relations: Json = {"root_view_id": self.id, "previous_view_id": None, "state": {"values": {}}}
        return {**defaults, **self.content, **ids, **relations}


def check_view(view: Any, kind: str) -> Json:
    """Return the view if Slack would accept it. Raises ApiError."""
    if not isinstance(view, dict) or view.get("type") != kind:
        raise ApiError("invalid_arguments", f"must be a {kind} [json-pointer:/view/type]")
    if violations := list(_view_violations(view, kind)):
        raise ApiError("invalid_arguments", *violations)
    check_blocks(view.get("blocks"), max_blocks=MAX_VIEW_BLOCKS, pointer="/view/blocks", error="invalid_arguments")
    return view


def _view_violations(view: Json, kind: str) -> Iterator[str]:
    if kind == "modal" and "title" not in view:
        yield "missing required field: title [json-pointer:/view]"
    if "submit" not in view and any(block.get("type") == "input" for block in view.get("blocks", [])):
        yield "missing required field: submit [json-pointer:/view]"
    for name, limit in _MAX_TEXT_LENGTHS.items():
        yield from check_length(view.get(name, {}).get("text"), limit, f"/view/{name}/text")
    for name, limit in _MAX_STRING_LENGTHS.items():
        yield from check_length(view.get(name), limit, f"/view/{name}")
