"""`handrail send`: a message to an address, outside any thread."""

from typing import Annotated

from typer import Argument, Option, Typer

from agents.errors import Conflict
from bot.cli.arguments import parse_address

app = Typer()


@app.command()
def send(
    text: Annotated[str, Argument(help="What to say.")],
    *,
    to: Annotated[str, Option("--to", metavar="ADDRESS", help="Where to, like slack:C0OPS or person:alice.")],
) -> None:
    """Send a message to an address."""
    raise Conflict(
        f"these {len(text)} characters were not sent to {parse_address(to)}: "
        "terminals and the web page show threads only, "
        "and the channels that carry a message elsewhere come with later versions"
    )
