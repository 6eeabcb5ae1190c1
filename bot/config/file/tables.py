"""Root table of `handrail.toml`, with the tables for budgets and prices."""

from typing import Annotated

from pydantic import Field, StrictInt, field_validator

from agents.core.completion import Budget
from agents.core.values import FrozenModel
from agents.llm.pricing import Price
from bot.config.file.people import PersonTable
from bot.config.file.policy import RuleTable
from bot.config.file.references import Duration, KnownAgent, Name
from bot.config.file.triggers import ScheduleTable, WebhookTable

PositiveLimit = Annotated[StrictInt, Field(ge=1, le=10**12)]


class BudgetTable(FrozenModel):
    """`[agents.NAME.budget]`: limits of one thread. A missing key keeps the agent's own limit."""

    steps: PositiveLimit | None = None
    tokens: PositiveLimit | None = None
    usd: Annotated[float, Field(gt=0, le=10**6, allow_inf_nan=False, strict=True)] | None = None
    wall_clock: Duration | None = None

    def to_budget(self) -> Budget:
        """Return the validated limits."""
        return Budget.model_validate(self.model_dump())


class AgentTable(FrozenModel):
    """`[agents.NAME]`."""

    budget: BudgetTable = BudgetTable()


Dollars = Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False, strict=True)]


class PriceTable(FrozenModel):
    """`[models."NAME"]`: US dollars per million tokens. Without a price, calls of a model count as free."""

    input: Dollars
    output: Dollars
    cached: Dollars | None = None

    def to_price(self) -> Price:
        """Return the validated price."""
        return Price.model_validate(self.model_dump())


class ConfigFile(FrozenModel):
    """Root table with all tables of the file. Validate it with DeclaredNames as the context."""

    people: Annotated[dict[Name, PersonTable], Field(validate_default=True)] = {}
    policy: tuple[RuleTable, ...] = ()
    webhooks: tuple[WebhookTable, ...] = ()
    schedules: tuple[ScheduleTable, ...] = ()
    agents: dict[KnownAgent, AgentTable] = {}
    models: dict[str, PriceTable] = {}

    @field_validator("people")
    @classmethod
    def _check_people(cls, people: dict[str, PersonTable]) -> dict[str, PersonTable]:
        if not people:
            raise ValueError(
                'no person is named, so no request could be approved; write at least [people.you] with name = "…"'
            )
        return people
