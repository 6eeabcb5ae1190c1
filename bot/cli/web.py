"""`handrail web`: the role that answers HTTP, apart from the others, which need not load what serves it."""

from typer import Typer, echo

from bot.cli.arguments import Port
from bot.serving import WEB, Place, Wishes, serve

app = Typer()


@app.command("web")
def _web(*, port: Port = None) -> None:
    """HTTP alone, for a deployment of several processes."""
    serve(Wishes(port=port, role=WEB), _announce)


def _announce(place: Place) -> None:
    echo(f"Handrail is at {place.address}")
