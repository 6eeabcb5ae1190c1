"""Output of commands: text from other people cannot move the cursor, set colors or hide a link."""

from io import StringIO

import pytest
from rich.table import Table
from rich.text import Text

from bot.cli.main import run_command
from bot.cli.output import SafeConsole, print_message

HOSTILE_TEXT = "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ \x9b31m\x07 \x1b[2J"


def render(renderable) -> str:
    output = StringIO()
    SafeConsole(file=output, width=200, force_terminal=True, color_system=None, markup=False, emoji=False).print(
        renderable
    )
    return output.getvalue()


def make_table(text: str) -> Table:
    table = Table(box=None)
    table.add_column(text)
    table.add_row(Text(text))
    return table


@pytest.mark.parametrize(
    "renderable", [Text(HOSTILE_TEXT), HOSTILE_TEXT, make_table(HOSTILE_TEXT)], ids=["text", "string", "table"]
)
def test_console_prints_no_escape_sequence_of_a_text(renderable):
    shown = render(renderable)
    assert not {"\x1b", "\x9b", "\x07"} & set(shown)
    assert "\\x1b]8;;https://evil.example" in shown


def test_messages_have_no_hidden_characters(capsys):
    print_message(f"first {HOSTILE_TEXT}\nsecond \u202e")
    printed = capsys.readouterr().err
    assert printed.count("\n") == 2
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(printed)


def test_console_prints_its_own_colors():
    output = StringIO()
    SafeConsole(file=output, width=80, force_terminal=True, color_system="standard").print(Text("no", style="red"))
    assert "\x1b[31m" in output.getvalue()


def test_errors_have_no_hidden_characters(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDRAIL_CONFIG", "\u202enone.toml")
    assert run_command(["config", "show"]) == 1
    assert "\u202e" not in capsys.readouterr().err
