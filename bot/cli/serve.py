"""`handrail up` and `handrail web`: run everything in one process, or only the HTTP server.

The other roles have their own module, so that they do not load FastAPI.
"""

from typing import Annotated

from typer import Option, Typer, echo

from bot.cli.output import PortOption
from bot.server_process import WEB_ROLE, ServeOptions, ServerAddress, serve

up_app = Typer()


@up_app.command()
def up(
    *,
    port: PortOption = None,
    should_skip_sample: Annotated[
        bool, Option("--no-sample", help="Do not create a sample repository.", show_default=False)
    ] = False,
) -> None:
    """Start everything in one process. Stop it with Ctrl-C.

    It uses SQLite unless DATABASE_URL names a PostgreSQL database, which other processes may share.
    """
    serve(ServeOptions(port=port, may_use_sample_repository=not should_skip_sample), _print_instructions)


def _print_instructions(server_address: ServerAddress) -> None:
    echo(f"Handrail is at {server_address.url}")
    echo(
        "Chat in another terminal: "
        f"{'' if server_address.is_default else f'PORT={server_address.port} '}.venv/bin/handrail chat"
    )
    echo("Ctrl-C stops it.")


web_app = Typer()


@web_app.command("web")
def _run_web(*, port: PortOption = None) -> None:
    """Run an HTTP server process; worker processes do the work."""
    serve(ServeOptions(port=port, role=WEB_ROLE), _print_address)


def _print_address(server_address: ServerAddress) -> None:
    echo(f"Handrail is at {server_address.url}")
