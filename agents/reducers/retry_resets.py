"""A fresh start: the model is asked, and what went wrong before no longer counts."""

from collections.abc import Mapping
from typing import Any

RESET_RETRIES: Mapping[str, Any] = {"retries": 0, "retry_at": None, "outage": None}
"""The model is asked at once, as if it had never failed to answer."""

RESET_COUNTERS: Mapping[str, Any] = {"needs_model": True, "failures": 0, "repairs": 0, **RESET_RETRIES}
