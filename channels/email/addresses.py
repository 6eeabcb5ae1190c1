"""Format of email addresses: in `handrail.toml`, for comparisons, and of senders that are not authenticated."""

import re
import unicodedata
from encodings import idna

from agents.core.values import Address
from channels.address_format import AddressFormat, AddressKey

_MAX_ADDRESS_LENGTH = 254  # RFC 5321 §4.5.3.1.3: a path of 256 octets includes its angle brackets
_LOCAL_PART = re.compile(r"[^\s@.,:;<>()\[\]\"\\\x00-\x20\x7f]+(?:\.[^\s@.,:;<>()\[\]\"\\\x00-\x20\x7f]+)*")
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DEVIATIONS = frozenset("ßς\u200c\u200d")
"""Characters that IDNA 2003 and IDNA 2008 encode differently (UTS #46 §7): two domains could have one form."""
_UNVERIFIED_PREFIX = "unverified/"


def normalize_address(text: str) -> str:
    """Return the form by which addresses are compared: in lower case, with the domain as A-labels (RFC 5891).

    Raises ValueError for a text that is no address, and for characters that a conversion would change into others, so
    that no look-alike gets the form of another address. Comments, quoted local parts and address literals are refused.
    """
    local, at, domain = text.partition("@")
    address = f"{_normalize_local_part(local)}{at}{normalize_domain(domain)}"
    if len(address.encode()) > _MAX_ADDRESS_LENGTH:
        raise ValueError("the address is too long")
    return address


def _normalize_local_part(local: str) -> str:
    """Return a dot-atom (RFC 5322 §3.2.3), which may have letters of other alphabets (RFC 6531), in lower case."""
    lower = local.lower()
    if not _LOCAL_PART.fullmatch(lower) or not lower.isprintable():
        raise ValueError("the local part is not a dot-atom")
    if unicodedata.normalize("NFKC", lower) != lower or lower.isascii() != local.isascii():
        raise ValueError("the local part has characters that look like others")
    return lower


def normalize_domain(domain: str) -> str:
    """Return a domain in lower case and as A-labels. Raises ValueError if it is not a host name (RFC 1123 §2.1)."""
    labels = [_to_a_label(label) for label in domain.lower().split(".")]
    if not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the domain is not a host name")
    return ".".join(labels)


def _to_a_label(label: str) -> str:
    if label.isascii():
        return label
    if unicodedata.normalize("NFKC", label) != label or not _DEVIATIONS.isdisjoint(label):
        raise ValueError("the domain has characters that look like others")
    if any(unicodedata.category(character)[0] not in "LMN" and character != "-" for character in label):
        raise ValueError("the domain is not a host name")
    return idna.ToASCII(label).decode()  # raises UnicodeError, which is a ValueError


def to_comparable(text: str) -> str:
    """Return the normalized address, or the text in lower case if it has no normalized form."""
    try:
        return normalize_address(text)
    except ValueError:
        return text.lower()


def unverified_address(text: str) -> Address:
    """Return the address of a sender that is not authenticated. It belongs to no person and gets no answer."""
    try:
        return Address(f"email:{_UNVERIFIED_PREFIX}{normalize_address(text)}")
    except ValueError:
        return Address(f"email:{_UNVERIFIED_PREFIX}unknown")


def is_unverified(address: Address) -> bool:
    """Return whether the address belongs to a sender that is not authenticated."""
    return address.scheme == "email" and address.id.startswith(_UNVERIFIED_PREFIX)


ADDRESS_FORMAT = AddressFormat(
    scheme="email",
    address_key=AddressKey(
        name="email",
        pattern=re.compile(r"[^@\s\x00-\x1f\x7f:<>,]{1,64}@[^@\s\x00-\x1f\x7f:<>,]{1,189}"),
        example="alice@example.com",
        normalize=to_comparable,
    ),
    pattern=re.compile(r"[^@\s:<>,]{1,64}@[^@\s:<>,]{1,189}"),
    example="email:alice@example.com",
)
