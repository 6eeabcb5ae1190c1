"""Query parameters of lists. An empty value counts as omitted."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from agents.addresses import Address
from agents.frozen import FrozenModel
from agents.requests import RequestStatus
from agents.state import ThreadStatus

MAX_LIMIT = 200
QueryText = Annotated[str, StringConstraints(max_length=500)]


class _ListParams(FrozenModel):
    cursor: QueryText | None = Field(default=None, description="`next_cursor` of the previous page.")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Maximum number of items on a page.")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_values(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values


class ThreadListParams(_ListParams):
    """Filters for a list of threads."""

    status: ThreadStatus | None = None
    agent: QueryText | None = None


class RequestListParams(_ListParams):
    """Filters for a list of requests."""

    status: RequestStatus | None = None
    thread_id: QueryText | None = None
    mine: bool = Field(default=False, description="Only requests that you could decide now.")
    as_: Address | None = Field(
        default=None, alias="as", description="The person that `mine` refers to; requires the admin scope."
    )

    @property
    def status_filter(self) -> RequestStatus | None:
        """Status to query for. `mine` implies open, because only open requests can be decided."""
        return self.status or ("open" if self.mine else None)
