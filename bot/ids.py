"""Time, names and chance, drawn in one place and handed on as arguments."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.event_stamp import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH, EventStamp
from bot.lease import seconds_since_boot

_random = random.Random(secrets.randbits(256))  # noqa: S311 - ids and codes are names, not secrets; a system call each is slow

_random_bits = _random.getrandbits
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def generate_id() -> str:
    """18 characters: the time in milliseconds, so that new ids sort last, and 45 random bits."""
    number = (time.time_ns() // 1_000_000) << 45 | _random_bits(45)
    return "".join(_BASE32[number >> shift & 31] for shift in range(85, -1, -5))


def generate_code() -> str:
    """A short code; the store sees to it that none is given out twice."""
    return "".join(
        REQUEST_CODE_ALPHABET[_random_bits(16) % len(REQUEST_CODE_ALPHABET)] for _ in range(REQUEST_CODE_LENGTH)
    )


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Where moments come from. Tests hand in their own clock and names. `jitter` is between 0 and 1.

    `elapsed` is seconds since some time long ago; unlike `now` it never jumps.
    """

    now: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = generate_id
    new_code: Callable[[], str] = generate_code
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] = seconds_since_boot

    def new_moment(self) -> EventStamp:
        return EventStamp(now=self.now(), new_id=self.new_id(), new_code=self.new_code())
