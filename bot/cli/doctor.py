"""`handrail doctor`: check the installation and suggest fixes."""

from collections.abc import Sequence

from rich.text import Text
from typer import Exit, Typer

from bot.cli.api_client import build_client
from bot.cli.output import JsonOption, print_json, print_view
from bot.doctor import Finding, run_checks
from channels.terminal.views import table

app = Typer()

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@app.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Check the installation and suggest fixes. Exits with 1 when there is a problem."""
    findings = list(run_checks(build_client))
    if as_json:
        print_json([finding.model_dump(by_alias=True) for finding in findings])
    else:
        print_view(None, table(("", "", "found", "what to do"), _rows(findings)))
    if any(finding.state == "problem" for finding in findings):
        raise Exit(1)


def _rows(findings: Sequence[Finding]) -> list[tuple[Text | str, ...]]:
    return [(Text(f.state, style=_STYLES[f.state]), f.name, f.message, f.fix or "") for f in findings]
