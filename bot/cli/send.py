"""`handrail send`: send a message to an address outside any thread. Not available in this version."""

from typing import Annotated

from typer import Argument, Option, Typer

from agents.core.errors import Conflict
from bot.cli.output import parse_address

app = Typer()


@app.command()
def send(
    text: Annotated[str, Argument(help="The text of the message.")],
    *,
    to: Annotated[str, Option("--to", metavar="ADDRESS", help="The recipient, for example person:alice.")],
) -> None:
    """Send a message to an address. Not available in this version."""
    raise Conflict(
        f"the message of {len(text)} characters to {parse_address(to)} was not sent: "
        "this version cannot send messages outside threads"
    )
