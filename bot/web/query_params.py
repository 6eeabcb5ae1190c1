"""What lists are asked for: the query of a GET. An empty value is one that was not given."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from agents.addresses import Address
from agents.frozen import FrozenModel
from agents.requests import RequestStatus
from agents.state import ThreadStatus

MAX_LIMIT = 200
QueryText = Annotated[str, StringConstraints(max_length=500)]


class _ListParams(FrozenModel):
    cursor: QueryText | None = Field(default=None, description="`next_cursor` of the page before")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="the most to list at once")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_values(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values


class ThreadListParams(_ListParams):
    """Which threads are wanted."""

    status: ThreadStatus | None = None
    agent: QueryText | None = None


class RequestListParams(_ListParams):
    """Which requests are wanted."""

    status: RequestStatus | None = None
    thread_id: QueryText | None = None
    mine: bool = Field(default=False, description="only those the caller could decide now")
    as_: Address | None = Field(default=None, alias="as", description="whose are `mine`: an admin's right")

    @property
    def status_filter(self) -> RequestStatus | None:
        """What is asked of the store: nobody could decide now what is not open."""
        return self.status or ("open" if self.mine else None)
