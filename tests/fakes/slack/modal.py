"""Modal that is open for a user, which a test fills in and submits."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.actor import Actor
from tests.fakes.slack.message import Json
from tests.fakes.slack.view import View, check_view
from tests.fakes.slack.view_methods import show_modal, view_payload

Values = dict[str, Any]
"""Entries by the label, the action id or the block id of their field."""


@dataclass(frozen=True)
class Modal:
    """Open modal of a user. `submit` expects no errors, `submit_expecting_errors` expects some."""

    view: View
    person: Actor

    @property
    def title(self) -> str:
        return self.view.title

    async def submit(self, values: Values) -> None:
        """Submit entries that the bot must accept. Raises InteractionFailed, or AssertionError with its errors."""
        errors = await self._submit(values)
        assert not errors, f"the submission was rejected: {errors}"

    async def submit_expecting_errors(self, values: Values) -> dict[str, str]:
        """Submit entries that the bot must reject; return its errors by block id."""
        errors = await self._submit(values)
        assert errors, "the submission was accepted"
        return errors

    async def _submit(self, values: Values) -> dict[str, str]:
        assert self.view.is_open, "this modal is closed"
        workspace = self.person.workspace
        submitted = {**view_payload(workspace, self.view), "state": {"values": self._view_state(values)}}
        payload = {**self.person.interaction_payload("view_submission"), "view": submitted, "response_urls": []}
        answer = await self.person.send_interaction("interactive", payload)
        return self._apply_response(answer.body or {})

    def _apply_response(self, response: Json) -> dict[str, str]:
        action = response.get("response_action")
        if action == "errors":
            errors: dict[str, str] = response["errors"]
            return errors
        self.view.is_open = False
        if action in ("update", "push"):
            show_modal(self.person.workspace, self.person.id, check_view(response.get("view"), "modal"))
        return {}

    def _view_state(self, values: Values) -> Json:
        remaining, state = dict(values), {}
        for block in self.view.content["blocks"]:
            if block["type"] == "input":
                element = block["element"]
                state[block["block_id"]] = {element["action_id"]: _field_state(block, remaining)}
        assert not remaining, f"there is no field for {', '.join(remaining)}"
        return state


def _field_state(block: Json, remaining: Values) -> Json:
    element = block["element"]
    entry = None
    for name in (block["label"]["text"], element["action_id"], block["block_id"]):
        entry = remaining.pop(name, entry)
    if element["type"].endswith(("select", "radio_buttons")):
        selected = _find_option(element, entry) if entry is not None else element.get("initial_option")
        field = {"selected_option": selected}
    else:
        field = {"value": entry if entry is not None else element.get("initial_value")}
    is_empty = next(iter(field.values())) is None
    assert not is_empty or block.get("optional"), f"Slack requires {block['label']['text']!r}"
    return {"type": element["type"], **field}


def _find_option(element: Json, entry: str) -> Json:
    for option in element["options"]:
        if entry in (option["text"]["text"], option["value"]):
            found: Json = option
            return found
    raise AssertionError(f"there is no option {entry!r}")
