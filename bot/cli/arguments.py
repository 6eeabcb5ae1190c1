"""Arguments that are more than text."""

from typer import BadParameter

from agents.addresses import Address


def address(text: str) -> Address:
    """An address; what is none is wrong usage."""
    try:
        return Address(text)
    except ValueError as error:
        raise BadParameter(str(error)) from None
