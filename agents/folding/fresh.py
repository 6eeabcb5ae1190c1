"""A fresh start: the model is asked, and what went wrong before no longer counts."""

from collections.abc import Mapping
from typing import Any

NO_RETRIES: Mapping[str, Any] = {"retries": 0, "retry_at": None, "outage": None}
"""The model is asked at once, as if it had never failed to answer."""

FRESH_START: Mapping[str, Any] = {"models_turn": True, "failures": 0, "repairs": 0, **NO_RETRIES}
