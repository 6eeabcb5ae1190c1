"""Format of Slack's channels and users in `handrail.toml`."""

import re

from channels.address_format import AddressFormat, AddressKey
from channels.slack.destinations import parse_destination

ADDRESS_FORMAT = AddressFormat(
    scheme="slack",
    address_key=AddressKey(
        name="slack",
        pattern=re.compile(r"(T[A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}", re.ASCII),
        example="U0ALICE",
    ),
    check_destination=parse_destination,
)
