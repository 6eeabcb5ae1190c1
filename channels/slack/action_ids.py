"""Ids of Handrail's buttons, modals and shortcut, and the context that a modal carries in its metadata."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from channels.slack.payloads import ChannelId, Payload, Ts, parse_json_object, validate

APPROVE = "handrail.approve"
DENY = "handrail.deny"
EDIT = "handrail.edit"
ANSWER = "handrail.answer"
CHOOSE = "handrail.choose"
"""Choice of an option from a select menu; as buttons, options have the ids `handrail.choose.0` and so on."""
SHOW = "handrail.show"
"""Opens a modal with the complete card, and shows the next page of it."""
SHORTCUT_ID = "handrail.ask"
"""Callback id of the message shortcut."""

HANDRAIL_ID_PATTERN = re.compile(r"^handrail\.")
"""Pattern of Handrail's action and callback ids; Slack also reports clicks on link buttons."""

_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)


def split_action_id(action_id: str, value: str | None) -> tuple[str, int | None]:
    """Return the action id without its number, and the index of the chosen option, if any.

    The index of a button is in its action id, that of a select menu in `value`.
    """
    if action_id.startswith(f"{CHOOSE}."):
        action_id, _, value = action_id.rpartition(".")
    return action_id, int(value) if value and _NUMBER.fullmatch(value) else None


@dataclass(frozen=True)
class ModalContext:
    """Card from which a modal was opened. It is kept in `private_metadata`: a submission does not name a message.

    `signed_value`, the value of the card's buttons, names the request and is signed by Handrail. `page` is the index of
    the card's page that is shown next.
    """

    signed_value: str
    channel: str
    message_ts: str
    thread_ts: str
    page: int = 0

    def to_metadata(self) -> str:
        """Return the JSON for `private_metadata`, which holds 3000 characters (docs.slack.dev/reference/views)."""
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, metadata: str) -> "ModalContext":
        """Parse `private_metadata`. Raises InvalidInput for metadata of another format."""
        parsed = validate(_ModalMetadata, parse_json_object(metadata))
        return cls(parsed.signed_value, parsed.channel, parsed.message_ts, parsed.thread_ts, parsed.page)


class _ModalMetadata(Payload):
    signed_value: Annotated[str, Field(max_length=255)]
    channel: ChannelId
    message_ts: Ts
    thread_ts: Ts
    page: Annotated[int, Field(ge=0)] = 0
