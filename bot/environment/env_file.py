"""The `.env` file: NAME=value lines, read without expanding anything."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from agents.mistakes import Mistake, misconfigured


def variables_in(path: Path) -> Mapping[str, str]:
    """The variables of the file; none when there is no file. Raises Misconfigured, naming the lines it cannot read."""
    bindings = list(parse_stream(StringIO(_text(path))))
    wrong = [_unreadable_line(path, binding) for binding in bindings if binding.error]
    if wrong:
        raise misconfigured(wrong)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def lines_in(path: Path) -> Mapping[str, int]:
    """Return the line of every variable of the file."""
    return {binding.key: binding.original.line for binding in parse_stream(StringIO(_text(path))) if binding.key}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise misconfigured([Mistake(file=str(path), message="is not UTF-8; save it as UTF-8")]) from None
    except OSError as error:
        raise misconfigured([Mistake(file=str(path), message=f"cannot be read: {error.strerror}")]) from None


def _unreadable_line(path: Path, binding: Binding) -> Mistake:
    return Mistake(file=str(path), line=binding.original.line, message="cannot be read; write NAME=value")
