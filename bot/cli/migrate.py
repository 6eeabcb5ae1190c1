"""`handrail migrate`: migrate the database when a new version is deployed."""

from typer import Typer

from bot.cli.output import JsonOption, print_json, print_message
from bot.config.database import database_url, migrate_database
from bot.config.settings import load_settings

app = Typer()


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Migrate the database to this version. Running it again changes nothing."""
    before, after = migrate_database(database_url(load_settings()))
    if as_json:
        print_json({"before": before, "after": after})
    else:
        change = (
            "unchanged"
            if before == after
            else f"it was at revision {before}"
            if before
            else "it had no schema revision"
        )
        print_message(f"the database is at revision {after} ({change})")
