"""Output of commands: data on stdout, as JSON on request, and messages for people on stderr."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer import Option, echo

from agents.visible_text import escape_control_characters, escape_hidden_except_newlines
from bot.settings import Settings

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
