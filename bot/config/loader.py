"""Configuration: people, policy, budgets, webhooks and schedules, read once from `handrail.toml`.

All mistakes of the file are reported together, each with its line and key.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from agents.core.completion import Budget
from agents.core.config_issues import ConfigIssue, KeyPath, find_line, format_key_path, to_configuration_error
from agents.core.people import People, Person
from agents.core.policy import Rule
from agents.core.values import FrozenModel
from agents.llm.base import Price
from agents.loading.toml_document import load_document
from bot.config.file.conditions import ArgumentModels
from bot.config.file.references import DeclaredNames
from bot.config.file.tables import ConfigFile, builtin_addresses
from bot.config.file.triggers import Schedule, Webhook
from bot.config.messages import describe_error, suggest_name


class Configuration(FrozenModel):
    """Contents of `handrail.toml`. `source` is its path, None without a file.

    `rule_lines` are the lines of the rules in the file. `allow_self_approval`: requesters may approve calls that need
    approval under a tool's default terms, when no rule matches; true only for the single person of an installation
    without a file.
    """

    people: People
    rules: tuple[Rule, ...] = ()
    budgets: Mapping[str, Budget] = {}
    prices: Mapping[str, Price] = {}
    webhooks: tuple[Webhook, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    allow_self_approval: bool = False
    source: Path | None = None
    rule_lines: Annotated[tuple[int, ...], Field(exclude=True)] = ()
    warnings: Annotated[tuple[ConfigIssue, ...], Field(exclude=True)] = ()


def find_configuration_path(configured_path: Path | None, directory: Path = Path()) -> Path | None:
    """Return the path from HANDRAIL_CONFIG, else `handrail.toml` in `directory` if it exists, else None."""
    default = directory / "handrail.toml"
    return configured_path or (default if default.exists() else None)


def load_configuration(
    path: Path | None, *, tools: ArgumentModels, agents: Collection[str], is_complete: bool = True
) -> Configuration:
    """Load the file. Without one return a configuration with one person, `you`, who may do everything.

    The file may refer to `tools` and `agents`, and to others if these are not complete.
    Raises ConfigurationError; its `details` is a list of ConfigIssue.
    """
    if path is None:
        return _single_person_configuration()
    document = load_document(path, if_missing="write it, or unset HANDRAIL_CONFIG to run without")
    try:
        names = DeclaredNames.from_document(document.tables, tools=tools, agents=agents, is_complete=is_complete)
        table = ConfigFile.model_validate(document.tables, context=names)
    except ValidationError as error:
        raise to_configuration_error(to_config_issues(error, str(path), document.lines)) from None
    lines = tuple(find_line(("policy", position), document.lines) for position in range(len(table.policy)))
    return _build_configuration(table, path).model_copy(update={"rule_lines": lines})


def _single_person_configuration() -> Configuration:
    you = Person(key="you", name="You", roles=("*",), addresses=builtin_addresses("you"))
    return Configuration(people=People(members=(you,)), allow_self_approval=True)


def _build_configuration(table: ConfigFile, source: Path) -> Configuration:
    return Configuration(
        people=People(members=tuple(person.to_person(key) for key, person in table.people.items())),
        rules=tuple(rule.to_rule(position) for position, rule in enumerate(table.policy)),
        budgets={name: agent.budget.to_budget() for name, agent in table.agents.items()},
        prices={name: written.to_price() for name, written in table.models.items()},
        webhooks=tuple(written.to_webhook() for written in table.webhooks),
        schedules=tuple(written.to_schedule() for written in table.schedules),
        source=source,
    )


def to_config_issues(error: ValidationError, file: str, lines: Mapping[KeyPath, int]) -> list[ConfigIssue]:
    """Return all of pydantic's errors as issues, in the order of their lines."""
    issues = [_to_config_issue(details, file, lines) for details in error.errors(include_url=False)]
    return sorted(issues, key=lambda issue: issue.line or 0)


def _to_config_issue(details: ErrorDetails, file: str, lines: Mapping[KeyPath, int]) -> ConfigIssue:
    path = tuple(part for part in details["loc"] if part != "[key]")  # pydantic's mark for an invalid key
    message = _describe_unknown_key(path) if details["type"] == "extra_forbidden" else describe_error(details)
    return ConfigIssue(file=file, line=find_line(path, lines), key=format_key_path(path), message=message)


def _describe_unknown_key(path: KeyPath) -> str:
    return f"is not a key of this table; {suggest_name(str(path[-1]), _list_sibling_keys(path))}"


def _list_sibling_keys(path: KeyPath) -> list[str]:
    table: type[BaseModel] = ConfigFile
    for part in path[:-1]:
        if isinstance(part, str) and part in table.model_fields:
            table = next(iter(_list_table_models(table.model_fields[part].annotation)), table)
    return list(table.model_fields)


def _list_table_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in getattr(annotation, "__args__", ()) for table in _list_table_models(inner)]
