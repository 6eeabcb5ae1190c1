"""What pydantic found wrong with the file, told with file, line and key."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agents.mistakes import Mistake, written_key
from agents.toml_lines import KeyPath, line_of
from bot.config_file.tables import ConfigFile
from bot.mistakes import suggestion, wording


def mistakes(error: ValidationError, file: str, lines: Mapping[KeyPath, int]) -> list[Mistake]:
    """Everything pydantic found wrong with the file, in the order of its lines."""
    found = [_mistake(details, file, lines) for details in error.errors(include_url=False)]
    return sorted(found, key=lambda mistake: mistake.line or 0)


def _mistake(details: ErrorDetails, file: str, lines: Mapping[KeyPath, int]) -> Mistake:
    path = tuple(part for part in details["loc"] if part != "[key]")  # so pydantic marks a key that is wrong itself
    message = _unknown_key(path) if details["type"] == "extra_forbidden" else wording(details)
    return Mistake(file=file, line=line_of(path, lines), key=written_key(path), message=message)


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
