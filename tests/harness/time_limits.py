"""Time limits of tests: one that only a broken test reaches, and promised ones that grow with the machine's load."""

import os

WAIT_TIMEOUT_SECONDS = 90.0
"""Limit of a wait for something that must happen. It is generous, since a loaded machine may be slow at any time."""


def promised_seconds(seconds: float) -> float:
    """Return a time limit that Handrail promises, extended if more programs want to run than the machine has cores.

    A promise is given for a machine that is not overloaded: a test must find a broken promise, not a busy machine.
    """
    return seconds * max(1.0, 2.0 * os.getloadavg()[0] / (os.cpu_count() or 1))
