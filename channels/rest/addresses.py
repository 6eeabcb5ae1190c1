"""Format of the addresses of API clients in `handrail.toml`."""

from channels.address_format import AddressFormat

ADDRESS_FORMAT = AddressFormat(scheme="web", has_every_person=True)
