"""Format durations for people."""

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def format_age(duration: timedelta) -> str:
    """Return the duration in the largest unit of which it has at least two, such as "90 s" or "2 min".

    A negative duration, due to another machine's clock, is "0 s".
    """
    seconds = max(0, round(duration.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"
