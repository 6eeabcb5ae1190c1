"""The configuration: people, policy, budgets, webhooks and schedules, read once from `handrail.toml`.

Every mistake of the file is told at once, with its line and key.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from agents.budget import Budget
from agents.frozen import Frozen
from agents.mistakes import Mistake, misconfigured
from agents.people import People, Person
from agents.policy import Rule
from agents.pricing import Price
from agents.toml_document import read_document
from agents.toml_lines import line_of
from bot.config_file.complaints import mistakes
from bot.config_file.conditions import Signatures
from bot.config_file.names import Names
from bot.config_file.people import at_home
from bot.config_file.tables import ConfigFile
from bot.triggers import Schedule, Webhook


class Configuration(Frozen):
    """Who there is, who may do what, and what starts threads. `source` is None without a file.

    `rule_lines` are the lines of the rules in the file.
    `own_requests`: requesters may approve what a tool asks by its own default; only in a house of one person.
    """

    people: People
    rules: tuple[Rule, ...] = ()
    budgets: Mapping[str, Budget] = {}
    prices: Mapping[str, Price] = {}
    webhooks: tuple[Webhook, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    own_requests: bool = False
    source: Path | None = None
    rule_lines: Annotated[tuple[int, ...], Field(exclude=True)] = ()
    warnings: Annotated[tuple[Mistake, ...], Field(exclude=True)] = ()


def configuration_path(named: Path | None, folder: Path = Path()) -> Path | None:
    """The file to read: the one HANDRAIL_CONFIG names, else `handrail.toml` of `folder` if it is there, else none."""
    usual = folder / "handrail.toml"
    return named or (usual if usual.exists() else None)


def load_configuration(path: Path | None, *, tools: Signatures, agents: Collection[str]) -> Configuration:
    """What the file says; without one, a house with one person, `you`, who may do everything.

    `tools` and `agents` are what the file may name. Raises Misconfigured; its `details` is a list of Mistake.
    """
    if path is None:
        return _house_of_one()
    document = read_document(path, if_missing="write it, or unset HANDRAIL_CONFIG to run without")
    try:
        table = ConfigFile.model_validate(
            document.tables, context=Names.of(document.tables, tools=tools, agents=agents)
        )
    except ValidationError as error:
        raise misconfigured(mistakes(error, str(path), document.lines)) from None
    lines = tuple(line_of(("policy", position), document.lines) for position in range(len(table.policy)))
    return _configuration(table, path).model_copy(update={"rule_lines": lines})


def _house_of_one() -> Configuration:
    you = Person(key="you", name="You", roles=("*",), addresses=at_home("you"))
    return Configuration(people=People(everybody=(you,)), own_requests=True)


def _configuration(table: ConfigFile, source: Path) -> Configuration:
    return Configuration(
        people=People(everybody=tuple(person.person(key) for key, person in table.people.items())),
        rules=tuple(rule.rule(position) for position, rule in enumerate(table.policy)),
        budgets={name: agent.budget.budget() for name, agent in table.agents.items()},
        prices={name: written.price() for name, written in table.models.items()},
        webhooks=tuple(written.webhook() for written in table.webhooks),
        schedules=tuple(written.schedule() for written in table.schedules),
        source=source,
    )
