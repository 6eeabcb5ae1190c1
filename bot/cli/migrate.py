"""`handrail migrate`: the release phase of a deployment."""

from typer import Typer

from bot.cli.output import JsonOption, print_json, print_message
from bot.database_setup import database_url, migrate_database
from bot.settings import load_settings

app = Typer()


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Bring the database to the form this version needs. Running it again changes nothing."""
    before, after = migrate_database(database_url(load_settings()))
    if as_json:
        print_json({"before": before, "after": after})
    else:
        moved = "as it was" if before == after else f"it was at {before or 'none'}"
        print_message(f"the database is at revision {after}, {moved}")
