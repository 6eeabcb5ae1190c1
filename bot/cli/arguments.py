"""Types of command-line arguments that several commands share."""

from typing import Annotated

from typer import BadParameter, Option

from agents.addresses import Address

PortOption = Annotated[int | None, Option("--port", min=0, max=65535, help="Port to listen on; 0 means any free port.")]


def parse_address(text: str) -> Address:
    """Return the address in `text`. Raises BadParameter (exit code 2) when it is not one."""
    try:
        return Address(text)
    except ValueError as error:
        raise BadParameter(str(error)) from None
