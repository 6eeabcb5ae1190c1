"""The names of our buttons, modals and shortcut, and what a modal remembers of the card it was opened from."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from channels.slack.payloads import Channel, Shape, Ts, json_object, shaped

APPROVE = "handrail.approve"
DENY = "handrail.deny"
EDIT = "handrail.edit"
ANSWER = "handrail.answer"
CHOOSE = "handrail.choose"
"""A list to choose from; its buttons are called `handrail.choose.0` and so on."""
SHOW = "handrail.show"
"""Opens a modal with all of a card that does not fit a message, and leads from one page of it to the next."""
ASK = "handrail.ask"
"""The shortcut in the menu of a message."""

_OURS = "handrail."
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)


def is_ours(name: str) -> bool:
    """Whether a button or a modal is ours: what else we show, such as a link, Slack reports too."""
    return name.startswith(_OURS)


def chosen(action: str, value: str | None) -> tuple[str, int | None]:
    """The action without its number, and the number: of a button, or what was chosen from a list."""
    if action.startswith(f"{CHOOSE}."):
        action, _, value = action.rpartition(".")
    return action, int(value) if value and _NUMBER.fullmatch(value) else None


@dataclass(frozen=True)
class Behind:
    """The card a modal was opened from. It travels in `private_metadata`: a modal sent tells of no message.

    `page` is the page of the card that sending the modal leads to.
    """

    reference: str
    channel: str
    message: str
    root: str
    page: int = 0

    def written(self) -> str:
        """As `private_metadata`, which holds 3000 characters (docs.slack.dev/reference/views/modal-views)."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, metadata: str) -> "Behind":
        """Raises Invalid for what we never wrote."""
        read = shaped(_Written, json_object(metadata))
        return cls(read.reference, read.channel, read.message, read.root, read.page)


class _Written(Shape):
    reference: Annotated[str, Field(max_length=255)]
    channel: Channel
    message: Ts
    root: Ts
    page: Annotated[int, Field(ge=0)] = 0
