"""What commands print: no text of others moves the cursor, colours anything or hides a link, whoever forgot what."""

from io import StringIO

import pytest
from rich.table import Table
from rich.text import Text

from bot.cli.entry_point import run_command
from bot.cli.output import SafeConsole, print_message

LINK = "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ \x9b31m\x07 \x1b[2J"


def printed(renderable) -> str:
    into = StringIO()
    SafeConsole(file=into, width=200, force_terminal=True, color_system=None, markup=False, emoji=False).print(
        renderable
    )
    return into.getvalue()


def in_a_table(text: str) -> Table:
    table = Table(box=None)
    table.add_column(text)
    table.add_row(Text(text))
    return table


@pytest.mark.parametrize("renderable", [Text(LINK), LINK, in_a_table(LINK)], ids=["text", "string", "table"])
def test_no_escape_sequence_leaves_a_screen(renderable):
    shown = printed(renderable)
    assert not {"\x1b", "\x9b", "\x07"} & set(shown)
    assert "\\x1b]8;;https://evil.example" in shown


def test_what_is_told_is_visible(capsys):
    print_message(f"first {LINK}\nsecond \u202e")
    told = capsys.readouterr().err
    assert told.count("\n") == 2
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(told)


def test_a_colour_of_our_own_still_leaves():
    into = StringIO()
    SafeConsole(file=into, width=80, force_terminal=True, color_system="standard").print(Text("no", style="red"))
    assert "\x1b[31m" in into.getvalue()


def test_an_error_is_told_without_anything_hidden(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDRAIL_CONFIG", "\u202enone.toml")
    assert run_command(["config", "show"]) == 1
    assert "\u202e" not in capsys.readouterr().err
