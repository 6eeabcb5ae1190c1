"""`handrail web`: the role that answers HTTP, apart from the others, which need not load what serves it."""

from typer import Typer, echo

from bot.cli.arguments import PortOption
from bot.server_process import WEB_ROLE, ServeOptions, ServerAddress, serve

app = Typer()


@app.command("web")
def _run_web(*, port: PortOption = None) -> None:
    """HTTP alone, for a deployment of several processes."""
    serve(ServeOptions(port=port, role=WEB_ROLE), _print_address)


def _print_address(server_address: ServerAddress) -> None:
    echo(f"Handrail is at {server_address.url}")
