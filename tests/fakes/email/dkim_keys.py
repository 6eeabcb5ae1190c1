"""DKIM keys, made once for a test session, and signatures of mails as domains and their providers make them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SIGNED_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type")


@dataclass(frozen=True)
class DkimKey:
    """RSA key: the private part as PEM, and the TXT record of the public part."""

    private: bytes
    record: str


@cache
def make_key(name: str = "default", bits: int = 1024) -> DkimKey:
    """Return the key of this name; each name has its own key."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return DkimKey(private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}")


def sign(
    mail: bytes,
    domain: str,
    *,
    key: DkimKey | None = None,
    selector: str = "s1",
    headers: Sequence[str] = SIGNED_HEADERS,
    has_length: bool = False,
    algorithm: str = "rsa-sha256",
    canonicalization: tuple[str, str] = ("relaxed", "relaxed"),
) -> bytes:
    """Return the mail with a signature on top. Headers that it does not have are signed as absent."""
    signer = dkim.DKIM(mail, signature_algorithm=algorithm.encode())
    signature = signer.sign(
        selector.encode(),
        domain.encode(),
        (key or make_key(domain)).private,
        canonicalize=tuple(part.encode() for part in canonicalization),
        include_headers=[name.encode() for name in headers],
        length=has_length,
    )
    return bytes(signature) + mail


def key_records(*domains: str, selector: str = "s1") -> dict[tuple[str, str], list[str]]:
    """Return the TXT records of the keys of these domains, for a zone."""
    return {(f"{selector}._domainkey.{domain}", "TXT"): [make_key(domain).record] for domain in domains}
