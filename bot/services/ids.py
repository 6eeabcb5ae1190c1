"""Sources of time, ids and randomness, injected so that tests can replace them."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.core.values import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH, EventStamp


def seconds_since_boot() -> float:
    """Return a monotonic time that, where the system supports it, also advances while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_random = random.Random(secrets.randbits(256))  # noqa: S311 - ids and codes are not secrets; a system call for each would be slow

_random_bits = _random.getrandbits
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def generate_id() -> str:
    """Return 18 characters: the time in milliseconds, so that new ids sort last, and 45 random bits."""
    number = (time.time_ns() // 1_000_000) << 45 | _random_bits(45)
    return "".join(_BASE32[number >> shift & 31] for shift in range(85, -1, -5))


def generate_code() -> str:
    """Return a short random code; the store refuses a code that is in use."""
    return "".join(
        REQUEST_CODE_ALPHABET[_random_bits(16) % len(REQUEST_CODE_ALPHABET)] for _ in range(REQUEST_CODE_LENGTH)
    )


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Source of time. `now` is in UTC; `monotonic` is in seconds and never jumps; `jitter` is random, from 0 to 1."""

    now: Callable[[], datetime] = utc_now
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] = seconds_since_boot


@dataclass(frozen=True)
class IdGenerator:
    """Source of ids, and of request codes that people can type."""

    new_id: Callable[[], str] = generate_id
    new_code: Callable[[], str] = generate_code

    def new_stamp(self, now: datetime) -> EventStamp:
        """Return the time with a new id and a new code, for one decision about events."""
        return EventStamp(now=now, new_id=self.new_id(), new_code=self.new_code())
