"""`handrail doctor`: what is wrong here, and what to do about it."""

from collections.abc import Sequence

from rich.text import Text
from typer import Exit, Typer

from bot.cli.screen import AsJson, show, show_json
from bot.cli.server import client
from bot.doctor import Finding, examine
from channels.terminal.outbound import table

app = Typer()

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look for what is wrong here, and say what to do about it; exits with 1 when there is a problem."""
    findings = list(examine(client))
    if as_json:
        show_json([finding.model_dump() for finding in findings])
    else:
        show(None, table(("", "", "found", "what to do"), _rows(findings)))
    if any(finding.state == "problem" for finding in findings):
        raise Exit(1)


def _rows(findings: Sequence[Finding]) -> list[tuple[Text | str, ...]]:
    return [(Text(one.state, style=_STYLES[one.state]), one.name, one.told, one.fix or "") for one in findings]
