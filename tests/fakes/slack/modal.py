"""A modal before somebody, to be filled in and submitted."""

from dataclasses import dataclass
from typing import Any

from tests.fakes.slack.actor import Actor
from tests.fakes.slack.message import Json
from tests.fakes.slack.view import View, check_view
from tests.fakes.slack.view_methods import show_modal, view_payload

Values = dict[str, Any]
"""What is filled in, under the label, the action id or the block id of a field."""


@dataclass(frozen=True)
class Modal:
    """`submit` and `refused` send the same: what the bot makes of it, the story says beforehand."""

    view: View
    person: Actor

    @property
    def title(self) -> str:
        return self.view.title

    async def submit(self, values: Values) -> None:
        """The bot must take it. Raises NotTaken, or AssertionError with what it does not like."""
        errors = await self._submit(values)
        assert not errors, f"the modal was not taken: {errors}"

    async def submit_expecting_errors(self, values: Values) -> dict[str, str]:
        """The bot must not take it; its errors, for each block."""
        errors = await self._submit(values)
        assert errors, "the modal was taken"
        return errors

    async def _submit(self, values: Values) -> dict[str, str]:
        assert self.view.is_open, "this modal is no longer there"
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
        left, state = dict(values), {}
        for block in self.view.content["blocks"]:
            if block["type"] == "input":
                element = block["element"]
                state[block["block_id"]] = {element["action_id"]: _field_state(block, left)}
        assert not left, f"there is no field for {', '.join(left)}"
        return state


def _field_state(block: Json, left: Values) -> Json:
    element = block["element"]
    given = None
    for name in (block["label"]["text"], element["action_id"], block["block_id"]):
        given = left.pop(name, given)
    if element["type"].endswith(("select", "radio_buttons")):
        chosen = _find_option(element, given) if given is not None else element.get("initial_option")
        field = {"selected_option": chosen}
    else:
        field = {"value": given if given is not None else element.get("initial_value")}
    empty = next(iter(field.values())) is None
    assert not empty or block.get("optional"), f"Slack asks for {block['label']['text']!r}"
    return {"type": element["type"], **field}


def _find_option(element: Json, given: str) -> Json:
    for option in element["options"]:
        if given in (option["text"]["text"], option["value"]):
            found: Json = option
            return found
    raise AssertionError(f"there is no option {given!r}")
