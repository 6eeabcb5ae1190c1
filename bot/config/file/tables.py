"""Root table of `handrail.toml`, and its tables for people, budgets and prices."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt, ValidationInfo, create_model, field_validator

from agents.core.completion import Budget
from agents.core.people import Person
from agents.core.values import Address, FrozenModel
from agents.llm.base import Price
from bot.config.file.policy import RuleTable
from bot.config.file.references import (
    ADDRESS_KEYS,
    BUILTIN_SCHEMES,
    Duration,
    KnownAgent,
    Name,
    RoleName,
    get_declared_names,
)
from bot.config.file.triggers import ScheduleTable, WebhookTable
from bot.config.messages import join_names, quote


class PersonFields(FrozenModel):
    """Keys of a person besides the addresses, which the channels define."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    roles: tuple[RoleName, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of plain text")
        return value

    def to_person(self, key: str) -> Person:
        """Return the person with this key: `[people.KEY]`. It has the addresses of this table and the built-in ones."""
        written = {name: getattr(self, name) for name in ADDRESS_KEYS}
        addresses = [ADDRESS_KEYS[name].address_of(value) for name, value in written.items() if value is not None]
        return Person(
            key=key, name=self.name, roles=self.roles, addresses=(*map(Address, addresses), *builtin_addresses(key))
        )


def _check_address(value: str, info: ValidationInfo) -> str:
    known = ADDRESS_KEYS[info.field_name or ""]
    key = known.address_key
    if key is not None and not key.pattern.fullmatch(value):
        raise ValueError(f"must be written like {quote(key.example)} (found {quote(value)})")
    owners = get_declared_names(info).people_by_address[known.address_of(value)]
    if len(owners) > 1:
        raise ValueError(f"{quote(value)} belongs to {join_names(owners)}; give each address to one person only")
    return value


_WrittenAddress = Annotated[str, AfterValidator(_check_address)]
_ADDRESS_FIELDS: dict[str, Any] = dict.fromkeys(ADDRESS_KEYS, (_WrittenAddress | None, None))

PersonTable = create_model("PersonTable", __base__=PersonFields, **_ADDRESS_FIELDS)
"""Table of one person, with one key for each channel whose addresses are written."""


def builtin_addresses(key: str) -> tuple[Address, ...]:
    """Return the addresses of every person on Handrail's own channels: the terminal and the web page."""
    return tuple(Address(f"{scheme}:{key}") for scheme in BUILTIN_SCHEMES)


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
