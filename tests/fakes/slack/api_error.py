"""Error response of the Web API."""

from typing import Any


class ApiError(Exception):
    """Response that is not `ok`: Slack's error code and its detail messages."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = messages

    @property
    def body(self) -> dict[str, Any]:
        """Body of the response, whose HTTP status is 200."""
        details = {
            "errors": list(self.messages),
            "response_metadata": {"messages": [f"[ERROR] {message}" for message in self.messages]},
        }
        return {"ok": False, "error": self.error, **(details if self.messages else {})}
