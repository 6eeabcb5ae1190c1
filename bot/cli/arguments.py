"""Arguments that are more than text."""

from typing import Annotated

from typer import BadParameter, Option

from agents.addresses import Address

PortOption = Annotated[int | None, Option("--port", min=0, max=65535, help="Listen here; 0 takes any free port.")]


def parse_address(text: str) -> Address:
    """An address; what is none is wrong usage."""
    try:
        return Address(text)
    except ValueError as error:
        raise BadParameter(str(error)) from None
