"""The `.env` file: NAME=value lines, parsed without expanding variables, and warnings about misspelled names."""

from collections.abc import Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from agents.core.config_issues import ConfigIssue, to_configuration_error


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


_SHORT_NAME_LENGTH = 8  # characters; two edits of a shorter name make another word


def find_near_misses(
    names: Collection[str], known: Collection[str], lines: Mapping[str, int], env_file: str
) -> Iterator[ConfigIssue]:
    """Yield a warning for every unknown name that is similar to a known name that is not set.

    The first of several equally similar known names is suggested. `lines` are the lines of the names in `env_file`.
    """
    missing = [name for name in known if name not in names]
    for name in sorted(names):
        if name not in known and (closest := _closest_name(name, missing)):
            file = env_file if name in lines else None
            message = f"is not a variable of Handrail and is ignored; did you mean {closest}?"
            yield ConfigIssue(file=file, line=lines.get(name), key=name, message=message, severity="warning")


def _closest_name(name: str, missing: Collection[str]) -> str | None:
    written = name.upper()
    similar = [(_edit_distance(written, other), other) for other in missing if _is_close(written, other)]
    if similar:
        return min(similar)[1]
    longer = [other for other in missing if _is_abbreviated(written, other)]
    return min(longer, key=len) if longer else None


def _is_close(written: str, other: str) -> bool:
    return _edit_distance(written, other) <= (1 if len(other) < _SHORT_NAME_LENGTH else 2)


def _is_abbreviated(written: str, other: str) -> bool:
    """Return whether `written` has the first word of `other` but lacks some of the others, as OPENAI_KEY does."""
    words, all_words = written.split("_"), other.split("_")
    return len(words) > 1 and words[0] == all_words[0] and set(words) < set(all_words)


def _edit_distance(left: str, right: str) -> int:
    """Return the optimal string alignment distance: insertions, deletions, replacements and adjacent swaps."""
    if abs(len(left) - len(right)) > 2:  # noqa: PLR2004 - more edits than count as a misspelling
        return len(left) + len(right)
    second_last_row: list[int] = []
    last_row = list(range(len(right) + 1))
    for i, letter in enumerate(left, start=1):
        row = [i]
        for j, other in enumerate(right, start=1):
            cost = min(last_row[j] + 1, row[j - 1] + 1, last_row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, second_last_row[j - 2] + 1)
            row.append(cost)
        second_last_row, last_row = last_row, row
    return last_row[-1]
