"""The model that every value of the core is made from."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: never changed, only replaced; fields nobody declared are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
