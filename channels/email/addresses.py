"""Format of email addresses in `handrail.toml`."""

import re

from channels.address_format import AddressFormat, AddressKey

ADDRESS_FORMAT = AddressFormat(
    scheme="email",
    address_key=AddressKey(
        name="email",
        pattern=re.compile(r"[^@\s\x00-\x1f\x7f:<>,]{1,64}@[^@\s\x00-\x1f\x7f:<>,]{1,189}"),
        example="alice@example.com",
        normalize=str.lower,
    ),
    pattern=re.compile(r"[^@\s:<>,]{1,64}@[^@\s:<>,]{1,189}"),
    example="email:alice@example.com",
)
