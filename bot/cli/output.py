"""Arguments and output that commands share: data on stdout, messages for people on stderr."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer import BadParameter, Option, echo

from agents.core.config_issues import ConfigIssue
from agents.core.errors import Conflict
from agents.core.values import Address
from agents.core.visible_text import escape_control_characters, escape_hidden_except_newlines
from bot.config.settings import Settings
from channels.terminal.client import TerminalClient, api_path

PortOption = Annotated[int | None, Option("--port", min=0, max=65535, help="Port to listen on; 0 means any free port.")]


def parse_address(text: str) -> Address:
    """Return the address in `text`. Raises BadParameter (exit code 2) when it is not one."""
    try:
        return Address(text)
    except ValueError as error:
        raise BadParameter(str(error)) from None


_PIPE_WIDTH_COLUMNS = 4000  # wide enough that ids and commits are not wrapped

JsonOption = Annotated[bool, Option("--json", help="Print the JSON objects of the HTTP API.", show_default=False)]


class SafeConsole(Console):
    """Console that prints no control characters except its own.

    Views already escape text from other people; this is a second barrier for text that a view forgot.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of a renderable, with the control characters in their text escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escape_control_characters(segment.text))


def build_console(settings: Settings | None, *, stderr: bool = False) -> SafeConsole:
    """Return a console that prints text literally: no markup, no emoji codes, no highlighting of numbers."""
    color_system: Literal["auto"] | None = None if settings is not None and settings.no_color else "auto"
    console = SafeConsole(highlight=False, markup=False, emoji=False, color_system=color_system, stderr=stderr)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH_COLUMNS
    return console


def print_view(settings: Settings | None, view: RenderableType, *, stderr: bool = False) -> None:
    """Print a view for people. In a pipe, trailing blanks of columns are removed."""
    console = build_console(settings, stderr=stderr)
    if console.is_terminal:
        return console.print(view)
    with console.capture() as captured:
        console.print(view)
    return echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")), err=stderr)


def is_terminal_output(settings: Settings | None) -> bool:
    """Return whether stdout is a terminal, where ids are shortened to fit. A pipe gets whole ids."""
    return build_console(settings).is_terminal


def print_json(value: Any) -> None:
    """Print one JSON value. Non-ASCII text is escaped, so that it cannot control the terminal."""
    echo(json.dumps(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print one JSON value on one line."""
    echo(json.dumps(value, separators=(",", ":")))


def print_message(text: str) -> None:
    """Print a message for the user on stderr."""
    echo(escape_hidden_except_newlines(text), err=True)


def print_issues(issues: Sequence[ConfigIssue], *, as_json: bool) -> None:
    """Print mistakes for the user, and as a JSON array if `as_json`."""
    if as_json:
        print_json([issue.model_dump() for issue in issues])
    for issue in issues:
        print_message(f"warning: {issue}" if issue.severity == "warning" else str(issue))


FULL_ID_LENGTH = len("thr_") + 18
MIN_PREFIX_LENGTH = len("thr_") + 6
MAX_SEARCHED_THREADS = 1000
"""Only the newest threads are searched for a prefix. An older thread needs its whole id."""

MAX_LISTED_CANDIDATES = 5


async def resolve_thread_id(server: TerminalClient, id_or_prefix: str) -> str:
    """Return the id of the thread with this id or prefix. Raises Conflict when several threads match."""
    if not is_id_prefix(id_or_prefix):
        return id_or_prefix
    threads = await server.list_all(api_path("threads"), "threads", max_items=MAX_SEARCHED_THREADS)
    return match_prefix([thread["id"] for thread in threads], id_or_prefix)


def is_id_prefix(id_or_prefix: str) -> bool:
    """Return whether the text is a prefix of a thread id that is long enough to search for."""
    return id_or_prefix.startswith("thr_") and MIN_PREFIX_LENGTH <= len(id_or_prefix) < FULL_ID_LENGTH


def match_prefix(ids: Sequence[str], prefix: str) -> str:
    """Return the only id with this prefix, or the prefix itself when no id matches, so that the lookup reports it.

    Raises Conflict with the candidates when several ids match.
    """
    found = [thread_id for thread_id in ids if thread_id.startswith(prefix)]
    if len(found) > 1:
        more = f" and {len(found) - MAX_LISTED_CANDIDATES} more" if len(found) > MAX_LISTED_CANDIDATES else ""
        raise Conflict(
            f"{len(found)} threads begin with {prefix}: {', '.join(found[:MAX_LISTED_CANDIDATES])}{more}; "
            "type more characters of one of them"
        )
    return found[0] if found else prefix
