"""`handrail web`: the role that answers HTTP, apart from the others, which need not load what serves it."""

from typing import Annotated

from typer import Option, Typer, echo

from bot.serving import WEB, Place, Wishes, serve

app = Typer()

Port = Annotated[int | None, Option("--port", min=0, max=65535, help="Listen here; 0 takes any free port.")]


@app.command("web")
def _web(*, port: Port = None) -> None:
    """HTTP alone, for a deployment of several processes."""
    serve(Wishes(port=port, role=WEB), _announce)


def _announce(place: Place) -> None:
    echo(f"Handrail is at {place.address}")
