"""The names of our buttons, modals and shortcut, and what a modal remembers of the card it was opened from."""

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
"""A list to choose from; its buttons are called `handrail.choose.0` and so on."""
SHOW = "handrail.show"
"""Opens a modal with all of a card that does not fit a message, and leads from one page of it to the next."""
SHORTCUT_ID = "handrail.ask"
"""The shortcut in the menu of a message."""

_PREFIX = "handrail."
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)


def is_handrail_id(identifier: str) -> bool:
    """Whether a button or a modal is ours: what else we show, such as a link, Slack reports too."""
    return identifier.startswith(_PREFIX)


def split_action_id(action_id: str, value: str | None) -> tuple[str, int | None]:
    """The action without its number, and the number: of a button, or what was chosen from a list."""
    if action_id.startswith(f"{CHOOSE}."):
        action_id, _, value = action_id.rpartition(".")
    return action_id, int(value) if value and _NUMBER.fullmatch(value) else None


@dataclass(frozen=True)
class ModalContext:
    """The card a modal was opened from. It travels in `private_metadata`: a modal sent tells of no message.

    `page` is the page of the card that sending the modal leads to.
    """

    signed_value: str
    channel: str
    message_ts: str
    thread_ts: str
    page: int = 0

    def to_metadata(self) -> str:
        """As `private_metadata`, which holds 3000 characters (docs.slack.dev/reference/views/modal-views)."""
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, metadata: str) -> "ModalContext":
        """Raises Invalid for what we never wrote."""
        read = validate(_ModalMetadata, parse_json_object(metadata))
        return cls(read.signed_value, read.channel, read.message_ts, read.thread_ts, read.page)


class _ModalMetadata(Payload):
    signed_value: Annotated[str, Field(max_length=255)]
    channel: ChannelId
    message_ts: Ts
    thread_ts: Ts
    page: Annotated[int, Field(ge=0)] = 0
