"""The `.env` file: NAME=value lines, parsed without expanding variables."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from agents.config_issues import ConfigIssue, to_configuration_error


def load_variables(path: Path) -> Mapping[str, str]:
    """Return the variables of the file; none if it is missing. Raises ConfigurationError with the unreadable lines."""
    bindings = list(parse_stream(StringIO(_read_text(path))))
    issues = [_unreadable_line_issue(path, binding) for binding in bindings if binding.error]
    if issues:
        raise to_configuration_error(issues)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def load_variable_lines(path: Path) -> Mapping[str, int]:
    """Return the line number of every variable of the file."""
    return {binding.key: binding.original.line for binding in parse_stream(StringIO(_read_text(path))) if binding.key}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise to_configuration_error([ConfigIssue(file=str(path), message="is not UTF-8; save it as UTF-8")]) from None
    except OSError as error:
        raise to_configuration_error(
            [ConfigIssue(file=str(path), message=f"cannot be read: {error.strerror}")]
        ) from None


def _unreadable_line_issue(path: Path, binding: Binding) -> ConfigIssue:
    return ConfigIssue(file=str(path), line=binding.original.line, message="cannot be read; write NAME=value")
