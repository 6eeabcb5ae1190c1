"""Time and new identifiers for the events of one decision, passed in so that the core stays deterministic."""

from datetime import datetime

from agents.frozen import FrozenModel

REQUEST_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Characters of codes that people read aloud and type, without the look-alikes 0/O, 1/I/L and U/V."""
REQUEST_CODE_LENGTH = 5


class EventStamp(FrozenModel):
    """Time in UTC, a suffix for new ids (`call_` + `new_id`) and a code for a request that may be opened."""

    now: datetime
    new_id: str
    new_code: str
