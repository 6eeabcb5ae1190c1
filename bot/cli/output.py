"""What commands print: data on stdout, as JSON when asked; words for people on stderr."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer import Option, echo

from agents.visible_text import escape_control_characters, escape_hidden_except_newlines
from bot.settings import Settings

_PIPE_WIDTH_COLUMNS = 4000  # columns where no terminal cuts: ids and commits stay whole for whoever reads the pipe

JsonOption = Annotated[bool, Option("--json", help="Print JSON, the same objects as the HTTP API.", show_default=False)]


class SafeConsole(Console):
    """A console that lets no control character out but those it draws with itself.

    Whoever draws makes the text of others visible; this is for the text that was forgotten.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of a renderable, with control characters in their text written out."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escape_control_characters(segment.text))


def build_console(settings: Settings | None, *, stderr: bool = False) -> SafeConsole:
    """Stdout for people. Text is taken as it is: no markup, no emoji codes, no guessing what a number means."""
    colours: Literal["auto"] | None = None if settings is not None and settings.no_color else "auto"
    drawn = SafeConsole(highlight=False, markup=False, emoji=False, color_system=colours, stderr=stderr)
    if not drawn.is_terminal:
        drawn.width = _PIPE_WIDTH_COLUMNS
    return drawn


def print_view(settings: Settings | None, view: RenderableType, *, stderr: bool = False) -> None:
    """Print something for people; into a pipe without the blanks that fill up columns."""
    screen = build_console(settings, stderr=stderr)
    if screen.is_terminal:
        return screen.print(view)
    with screen.capture() as captured:
        screen.print(view)
    return echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")), err=stderr)


def is_terminal_output(settings: Settings | None) -> bool:
    """Return whether lines end at the width of a terminal; what a pipe reads is whole."""
    return build_console(settings).is_terminal


def print_json(value: Any) -> None:
    """Print one JSON value. Everything beyond ASCII is escaped, so that no terminal obeys what others wrote."""
    echo(json.dumps(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print one JSON value on a line of its own, at once."""
    echo(json.dumps(value, separators=(",", ":")))


def print_json_lines(values: Iterable[Any]) -> None:
    """Print JSON values, a line each."""
    for value in values:
        print_json_line(value)


def print_message(text: str) -> None:
    """Say something to the person, on stderr."""
    echo(escape_hidden_except_newlines(text), err=True)
