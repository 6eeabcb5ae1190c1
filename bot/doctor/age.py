"""How long ago something was, as one says it."""

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def format_age(duration: timedelta) -> str:
    """In the largest unit that fills twice, so that little is lost; another machine's clock may be ahead of ours."""
    seconds = max(0, round(duration.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"
