"""`handrail up`: everything in one process."""

from typing import Annotated

from typer import Option, Typer, echo

from bot.cli.arguments import Port
from bot.serving import Place, Wishes, serve

app = Typer()


@app.command()
def up(
    *,
    port: Port = None,
    no_sample: Annotated[
        bool, Option("--no-sample", help="Do not make a sample repository.", show_default=False)
    ] = False,
) -> None:
    """Start everything in one process; Ctrl-C stops it.

    On SQLite unless DATABASE_URL names a PostgreSQL database, which other processes may share.
    """
    serve(Wishes(port=port, sample=not no_sample), _announce)


def _announce(place: Place) -> None:
    echo(f"Handrail is at {place.address}")
    echo(f"Chat in another terminal: {'' if place.usual else f'PORT={place.port} '}.venv/bin/handrail chat")
    echo("Ctrl-C stops it.")
