"""Reader of an agent's `commands.toml`."""

from pathlib import Path

from pydantic import ValidationError

from agents.core.commands import Commands
from agents.core.config_issues import ConfigIssue, find_line, format_key_path, to_configuration_error
from agents.loading.toml_document import load_document


def load_commands(path: Path) -> Commands:
    """Read the commands.toml of an agent. Raises ConfigurationError with file, line and key of every mistake."""
    document = load_document(path)
    try:
        return Commands.model_validate(document.tables).with_source(str(path), document.lines)
    except ValidationError as error:
        mistakes = [(details["loc"], details["msg"]) for details in error.errors(include_url=False)]
    raise to_configuration_error(
        ConfigIssue(file=str(path), line=find_line(loc, document.lines), key=format_key_path(loc), message=message)
        for loc, message in mistakes
    )
