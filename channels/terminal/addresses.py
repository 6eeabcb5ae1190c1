"""Format of the addresses of terminals in `handrail.toml`."""

from channels.address_format import AddressFormat

ADDRESS_FORMAT = AddressFormat(scheme="terminal", has_every_person=True)
