"""`handrail web`: run the HTTP role in its own process. A separate module, so that other roles do not load FastAPI."""

from typer import Typer, echo

from bot.cli.output import PortOption
from bot.server_process import WEB_ROLE, ServeOptions, ServerAddress, serve

app = Typer()


@app.command("web")
def _run_web(*, port: PortOption = None) -> None:
    """Run an HTTP server process; worker processes do the work."""
    serve(ServeOptions(port=port, role=WEB_ROLE), _print_address)


def _print_address(server_address: ServerAddress) -> None:
    echo(f"Handrail is at {server_address.url}")
