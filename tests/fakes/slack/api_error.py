"""The way in which Slack says no."""

from typing import Any


class ApiError(Exception):
    """An answer that is not ok: Slack's word for it, and what else it tells."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = messages

    @property
    def body(self) -> dict[str, Any]:
        """As it stands in the body of the answer, the status of which is 200."""
        told = {
            "errors": list(self.messages),
            "response_metadata": {"messages": [f"[ERROR] {message}" for message in self.messages]},
        }
        return {"ok": False, "error": self.error, **(told if self.messages else {})}
