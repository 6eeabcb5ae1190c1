"""DKIM keys, made once for a test session, and signatures of mails as domains and their providers make them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import HASH_ALGORITHMS, parse_pem_private_key

SIGNED_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type")


@dataclass(frozen=True)
class DkimKey:
    """RSA key: the private part as PEM, and the TXT record of the public part."""

    private: bytes
    record: str


SHORT_KEY = DkimKey(
    b"""-----BEGIN RSA PRIVATE KEY-----
MIIBywIBAAJhAKKVtc23BzQfSRDzXGGv4o/iZMYxQ+gRkc2pPdJqOq7h0g99gUg6
kTlfqHDhe4gLZb0JZO+8wcmRGfdWelvC67MxvDUwiF6dbQozvFY6dmSqFBarn5dE
jemBwNRwLOGJHwIDAQABAmBf3QovW4Xh07iPSA7mgoCB+ikVOyMhCIsBypJrKLul
Nf1XqNa7sdzDCYYV2L2vv5eybKLVdhYEYUz1gPy5LHo697h8n8clk3X/UkrETd4b
n49G40x/VkUQSudbzDlOwMECMQDXFMJuf1+MLy/KTQw53XlNEcHap24SUU0b9vTR
nOTC9zVy/MTainODySGPcpt8u9ECMQDBhDA5cjN2++ie0EFz8cy2pPu+GzXLtCbo
eMmKkt+fnuVu/3UNxWcOoVgxWAEEYe8CMB6GNrXh49iMVdb7KlIICZAThhSXEHsP
CMeAO+yHvLuiw/Ymw3VUkuJQKDAojsKcEQIxALl5FbNpdlQa+wiD98fFv/xqQnIh
qDzWLNhxNFGhlb1qUOJC65DIW48VKu8YNtlZdwIxAMz8kwZyc45PpyicnekbThe9
kmeZk6FaR78ZpsCZBXywlyKcyUZaHPgUCoNBQmaLJg==
-----END RSA PRIVATE KEY-----
""",
    "v=DKIM1; k=rsa; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAKKVtc23BzQfSRDzXGGv4o/iZMYx"
    "Q+gRkc2pPdJqOq7h0g99gUg6kTlfqHDhe4gLZb0JZO+8wcmRGfdWelvC67MxvDUwiF6dbQozvFY6dmSqFBarn5dEjemBwNRwLOGJHwIDAQAB",
)
"""A key of 768 bits, which is too short to be trusted and to be made by a library of today."""


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
    canonicalization: str = "relaxed/relaxed",
    **tags: str,
) -> bytes:
    """Return the mail with a signature on top. Headers that it does not have are signed as absent.

    Other tags of the signature are added as they are. Unlike dkimpy, this signs what it should not.
    """
    signer = dkim.DKIM(mail, signature_algorithm=algorithm.encode())
    policy = CanonicalizationPolicy.from_c_value(canonicalization.encode())
    signer.hasher = HASH_ALGORITHMS[algorithm.encode()]
    body = policy.canonicalize_body(signer.body)
    names = [name.lower().encode() for name in headers]
    fields = {
        "v": "1",
        "a": algorithm,
        "c": canonicalization,
        "d": domain,
        "s": selector,
        "h": ":".join(headers),
        "bh": base64.b64encode(signer.hasher(body).digest()).decode(),
        **({"l": str(len(body))} if has_length else {}),
        **tags,
        "b": "0" * 60,
    }
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    private = parse_pem_private_key((key or make_key(domain)).private)
    return b"DKIM-Signature: " + bytes(signer.gen_header(pairs, names, policy, b"DKIM-Signature", private)) + mail


def key_records(*domains: str, selector: str = "s1") -> dict[tuple[str, str], list[str]]:
    """Return the TXT records of the keys of these domains, for a zone."""
    return {(f"{selector}._domainkey.{domain}", "TXT"): [make_key(domain).record] for domain in domains}
