"""`handrail migrate`: the release phase of a deployment."""

from typer import Typer

from bot.cli.screen import AsJson, show_json, tell
from bot.database import bring_up_to_date, url_of
from bot.settings import load_settings

app = Typer()


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database to the form this version needs. Running it again changes nothing."""
    before, after = bring_up_to_date(url_of(load_settings()))
    if as_json:
        show_json({"before": before, "after": after})
    else:
        moved = "as it was" if before == after else f"it was at {before or 'none'}"
        tell(f"the database is at revision {after}, {moved}")
