"""DKIM signatures of a mail (RFC 6376), verified one by one: an intermediary often adds its own above the author's."""

import binascii
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dkim  # type: ignore[import-untyped]

from channels.email.addresses import normalize_domain
from channels.email.resolver import Resolver
from channels.email.values import DnsUnavailable

MAX_SIGNATURES = 8
MIN_KEY_BITS = 1024  # RFC 8301 §3.2
_MAX_KEY_RECORD_LENGTH = 2_000  # octets; a key of 4,096 bits has about 750
_MAX_SIGNATURE_LENGTH, _MAX_SIGNATURE_LINES = 8_192, 100  # dkimpy takes quadratic time in the spaces of a signature
_MAX_SPACES, _LONG_SPACES, _MAX_LONG_SPACES = 1_024, 64, 4_096
_ALGORITHMS = frozenset({b"rsa-sha256"})  # RFC 8301 §3.1 forbids rsa-sha1; ed25519 needs a library of its own
_ERRORS = (dkim.DKIMException, binascii.Error, ValueError, TypeError, LookupError, AssertionError, ArithmeticError)

logging.getLogger("dkimpy").setLevel(logging.CRITICAL + 1)  # it logs parts of the mail


@dataclass(frozen=True)
class Signature:
    """Signature of a domain. If `is_unknown`, no DNS server answered for its key."""

    domain: str
    is_valid: bool
    is_unknown: bool = False


def check_signatures(
    raw: bytes, resolver: Resolver, is_relevant: Callable[[str], bool] = bool
) -> tuple[Signature, ...]:
    """Return the signatures of relevant domains, at most MAX_SIGNATURES, from the top.

    A signature is valid only if it covers the From and Date headers and the whole body (no `l=`), uses RSA with SHA-256
    and a key of at least MIN_KEY_BITS. Without the date an old mail could be sent again.
    """
    return tuple(_check_all(raw, resolver, is_relevant))


def _check_all(raw: bytes, resolver: Resolver, is_relevant: Callable[[str], bool]) -> Iterator[Signature]:
    if _has_costly_spaces(raw):
        return
    try:
        verifier = dkim.DKIM(raw, minkey=MIN_KEY_BITS)
    except _ERRORS:
        return
    headers = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
    count = 0
    for index, header in enumerate(headers):
        domain = _signing_domain(verifier, index) if _is_short(header) else None
        if domain is None or not is_relevant(domain):
            continue
        count += 1
        if count > MAX_SIGNATURES:
            return
        yield _check_signature(verifier, index, domain, resolver)


def _is_short(header: bytes) -> bool:
    return len(header) <= _MAX_SIGNATURE_LENGTH and header.count(b"\n") <= _MAX_SIGNATURE_LINES


def _has_costly_spaces(raw: bytes) -> bool:
    """Return whether the relaxed canonicalization, which takes dkimpy quadratic time in runs of spaces, is too slow."""
    spaces = raw.replace(b"\t", b" ")
    return b" " * _MAX_SPACES in spaces or spaces.count(b" " * _LONG_SPACES) > _MAX_LONG_SPACES


def _signing_domain(verifier: dkim.DKIM, index: int) -> str | None:
    """Return the domain of a signature that has the required form, else None."""
    try:
        fields, signed_headers, _ = verifier.verify_headerprep(index)
        domain = normalize_domain(fields[b"d"].decode("ascii"))
    except _ERRORS:
        return None
    is_complete = {b"from", b"date"} <= set(signed_headers) and b"l" not in fields and fields[b"a"] in _ALGORITHMS
    return domain if is_complete else None


def _check_signature(verifier: dkim.DKIM, index: int, domain: str, resolver: Resolver) -> Signature:
    def find_key(name: bytes, timeout: int = 0) -> bytes | None:  # noqa: ARG001 - dkimpy's signature
        records = resolver.resolve(name.decode("ascii"), "TXT")
        is_usable = len(records) == 1 and len(records[0]) <= _MAX_KEY_RECORD_LENGTH
        return records[0].encode("latin-1") if is_usable else None

    try:
        return Signature(domain, is_valid=bool(verifier.verify(index, dnsfunc=find_key)))
    except DnsUnavailable:
        return Signature(domain, is_valid=False, is_unknown=True)
    except _ERRORS:
        return Signature(domain, is_valid=False)
