"""A fresh start: the model is asked, and what went wrong before no longer counts."""

from collections.abc import Mapping
from typing import Any

FRESH_START: Mapping[str, Any] = {"models_turn": True, "failures": 0, "repairs": 0, "retries": 0, "retry_at": None}
