"""Field values that reset retry counters."""

from collections.abc import Mapping
from typing import Any

RESET_RETRIES: Mapping[str, Any] = {"retries": 0, "retry_at": None, "outage": None}
"""Resets the retries of model calls, so that the next call is made at once."""

RESET_COUNTERS: Mapping[str, Any] = {"needs_model": True, "failures": 0, "repairs": 0, **RESET_RETRIES}
