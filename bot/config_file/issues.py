"""Convert pydantic's errors about the file to issues with file, line and key."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agents.config_issues import ConfigIssue, format_key_path
from agents.toml_lines import KeyPath, find_line
from bot.config_file.tables import ConfigFile
from bot.config_messages import describe_error, suggest_name


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
