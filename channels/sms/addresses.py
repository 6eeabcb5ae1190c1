"""Format of phone numbers in `handrail.toml`."""

import re

from channels.address_format import AddressFormat, AddressKey

_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)  # E.164 allows at most 15 digits

ADDRESS_FORMAT = AddressFormat(
    scheme="sms",
    address_key=AddressKey(name="phone", pattern=_PHONE_NUMBER, example="+15550001001"),
    pattern=_PHONE_NUMBER,
    example="sms:+15550001001",
)
