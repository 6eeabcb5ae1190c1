"""What the world adds to one decision: the time, and names nobody has used yet."""

from datetime import datetime

from agents.frozen import FrozenModel

REQUEST_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""For codes people read aloud and type: no 0/O, 1/I/L, U/V look-alikes are left in one string."""
REQUEST_CODE_LENGTH = 5


class EventStamp(FrozenModel):
    """`now` in UTC; `fresh` makes new ids (`call_` + fresh), `code` is for the request that may be opened."""

    now: datetime
    new_id: str
    new_code: str
