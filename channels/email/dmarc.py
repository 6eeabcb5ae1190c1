"""DMARC (RFC 7489): which domains are aligned with the domain of a From header."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from publicsuffixlist import PublicSuffixList

from channels.email.resolver import Resolver

AlignmentMode = Literal["r", "s"]


@dataclass(frozen=True)
class DmarcPolicy:
    """Alignment modes of a domain for DKIM and SPF: relaxed (`r`) or strict (`s`)."""

    adkim: AlignmentMode = "r"
    aspf: AlignmentMode = "r"


def find_policy(domain: str, resolver: Resolver) -> DmarcPolicy:
    """Return the policy of a domain, else that of its organizational domain, else the default one.

    The strictest modes count if there are several records, which RFC 7489 §6.6.3 forbids. Raises DnsUnavailable.
    """
    for name in dict.fromkeys((domain, organizational_domain(domain))):
        records = [tags for text in resolver.resolve(f"_dmarc.{name}", "TXT") if (tags := _parse_record(text))]
        if records:
            return DmarcPolicy(adkim=_strictest(records, "adkim"), aspf=_strictest(records, "aspf"))
    return DmarcPolicy()


def organizational_domain(domain: str) -> str:
    """Return the public suffix of a domain and one label more (RFC 7489 §3.2); a public suffix itself is unchanged.

    An unknown top-level domain is a public suffix, so that `a.test` and `b.test` have nothing in common.
    """
    return _public_suffixes().privatesuffix(domain) or domain


def is_aligned(domain: str, other: str, mode: AlignmentMode) -> bool:
    """Return whether an authenticated domain is aligned with that of the From header (RFC 7489 §3.1)."""
    if mode == "s":
        return domain == other
    return organizational_domain(domain) == organizational_domain(other)


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _parse_record(text: str) -> dict[str, str]:
    """Return the tags of a DMARC record in lower case; none for another TXT record."""
    tags: dict[str, str] = {}
    for position, part in enumerate(text.split(";")):
        name, _, value = part.partition("=")
        tags.setdefault(name.strip().lower(), value.strip().lower())
        if position == 0 and (name.strip(), value.strip()) != ("v", "DMARC1"):
            return {}
    return tags


def _strictest(records: list[dict[str, str]], tag: str) -> AlignmentMode:
    return "s" if any(tags.get(tag) == "s" for tags in records) else "r"
