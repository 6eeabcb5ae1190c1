"""The configuration: people, policy, budgets, webhooks and schedules, read once from `handrail.toml`.

Every mistake of the file is told at once, with its line and key.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agents.budget import Budget
from agents.errors import Misconfigured
from agents.frozen import Frozen
from agents.people import People, Person
from agents.policy import Rule
from bot.config_file.lines import KeyPath, line_of, lines_of
from bot.config_file.names import Names
from bot.config_file.people import at_home
from bot.config_file.tables import ConfigFile
from bot.config_file.triggers import Schedule, Webhook
from bot.mistakes import Mistake, misconfigured, suggestion, wording

USUAL_FILE = Path("handrail.toml")
_LARGEST = 1024 * 1024
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Configuration(Frozen):
    """Who there is, who may do what, and what starts threads. `source` is None without a file.

    `own_requests`: requesters may approve what a tool asks by its own default; only in a house of one person.
    """

    people: People
    rules: tuple[Rule, ...] = ()
    budgets: Mapping[str, Budget] = {}
    webhooks: tuple[Webhook, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    own_requests: bool = False
    source: Path | None = None


def configuration_path(named: Path | None) -> Path | None:
    """The file to read: the one HANDRAIL_CONFIG names, else `handrail.toml` if it is there, else none."""
    return named or (USUAL_FILE if USUAL_FILE.exists() else None)


def load_configuration(path: Path | None, *, tools: Collection[str], agents: Collection[str]) -> Configuration:
    """What the file says; without one, a house with one person, `you`, who may do everything.

    `tools` and `agents` are the names the file may use. Raises Misconfigured; its `details` is a list of Mistake.
    """
    if path is None:
        return _house_of_one()
    document, text = _document(path)
    try:
        table = ConfigFile.model_validate(document, context=Names.of(document, tools=tools, agents=agents))
    except ValidationError as error:
        raise misconfigured(_mistakes(error, str(path), lines_of(text))) from None
    return _configuration(table, path)


def _house_of_one() -> Configuration:
    you = Person(key="you", name="You", roles=("*",), addresses=at_home("you"))
    return Configuration(people=People(everybody=(you,)), own_requests=True)


def _configuration(table: ConfigFile, source: Path) -> Configuration:
    return Configuration(
        people=People(everybody=tuple(person.person(key) for key, person in table.people.items())),
        rules=tuple(rule.rule(position) for position, rule in enumerate(table.policy)),
        budgets={name: agent.budget.budget() for name, agent in table.agents.items()},
        webhooks=table.webhooks,
        schedules=table.schedules,
        source=source,
    )


def _document(path: Path) -> tuple[dict[str, Any], str]:
    text = _text(path)
    try:
        return tomllib.loads(text), text
    except RecursionError:
        raise _unreadable(path, "is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one; so is a number of more digits than Python reads
        raise _not_toml(path, str(error)) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise _unreadable(path, "does not exist; write it, or unset HANDRAIL_CONFIG to run without") from None
    except IsADirectoryError:
        raise _unreadable(path, "is a folder; HANDRAIL_CONFIG must name a file") from None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise _unreadable(path, f"is larger than {_LARGEST // 1024} KiB, which no configuration needs")
    return _decoded(path, data)


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not UTF-8; save it as UTF-8", line=data.count(b"\n", 0, error.start) + 1) from None


def _unreadable(path: Path, message: str, line: int | None = None) -> Misconfigured:
    return misconfigured([Mistake(file=str(path), line=line, message=message)])


def _not_toml(path: Path, told: str) -> Misconfigured:
    place = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", told, re.DOTALL)
    if place is None:
        return _unreadable(path, f"this is not TOML: {told}")
    message = f"this is not TOML: {place[1]}, column {place[3]}"
    return _unreadable(path, message, line=int(place[2]))


def _mistakes(error: ValidationError, file: str, lines: dict[KeyPath, int]) -> list[Mistake]:
    found = [_mistake(details, file, lines) for details in error.errors(include_url=False)]
    return sorted(found, key=lambda mistake: mistake.line or 0)


def _mistake(details: ErrorDetails, file: str, lines: dict[KeyPath, int]) -> Mistake:
    path = tuple(part for part in details["loc"] if part != "[key]")  # so pydantic marks a key that is wrong itself
    message = _unknown_key(path) if details["type"] == "extra_forbidden" else wording(details)
    return Mistake(file=file, line=line_of(path, lines), key=_written(path), message=message)


def _written(path: KeyPath) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else f'"{part}"')
    return text


def _unknown_key(path: KeyPath) -> str:
    return f"is no key of this table; {suggestion(str(path[-1]), _keys_around(path))}"


def _keys_around(path: KeyPath) -> list[str]:
    table: type[BaseModel] = ConfigFile
    for part in path[:-1]:
        if isinstance(part, str) and part in table.model_fields:
            table = next(iter(_tables_in(table.model_fields[part].annotation)), table)
    return list(table.model_fields)


def _tables_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in getattr(annotation, "__args__", ()) for table in _tables_in(inner)]
