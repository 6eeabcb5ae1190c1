"""SPF (RFC 7208): whether the domain of the envelope sender permits the client to send its mail."""

import warnings
from typing import Any

from channels.email.addresses import normalize_address
from channels.email.resolver import RecordKind, Resolver
from channels.email.values import DnsUnavailable, MailEnvelope

with warnings.catch_warnings():
    # Python warns when it compiles pyspf, which happens at the first import, and tests turn warnings into errors.
    warnings.filterwarnings("ignore", "invalid escape sequence|.* is an invalid escape sequence")
    import spf  # type: ignore[import-untyped]

_KINDS: dict[str, RecordKind] = {kind: kind for kind in ("TXT", "A", "AAAA", "MX", "PTR")}


def check_spf(envelope: MailEnvelope, resolver: Resolver) -> str | None:
    """Return the domain of the envelope sender if its SPF record permits the client, else None.

    The null sender has no domain. Raises DnsUnavailable if the result could be another one later (`temperror`).
    """
    try:
        normalized = normalize_address(envelope.mail_from)
        query = _SpfQuery(resolver, envelope)
        result = query.check()[0]
    except (ValueError, spf.PermError):
        return None
    if result == "temperror":
        raise DnsUnavailable
    return normalized.partition("@")[2] if result == "pass" else None


class _SpfQuery(spf.query):  # type: ignore[misc] # pyspf has no types
    """Query of pyspf that looks up through a Resolver, whose look-ups are limited for the whole mail."""

    def __init__(self, resolver: Resolver, envelope: MailEnvelope) -> None:
        local, _, _ = envelope.mail_from.rpartition("@")
        sender = f"{local}@{normalize_address(envelope.mail_from).partition('@')[2]}"
        super().__init__(envelope.peer, sender, envelope.helo, strict=True)
        self._resolver = resolver

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002
        """Return records as pyspf needs them. Raises spf.PermError above the limit of RFC 7208 §4.6.4."""
        records = self._resolver.resolve(str(name), _KINDS[qtype])
        if not records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many look-ups without a result")
        return [_to_pyspf(record, qtype) for record in records]

    def get_explanation(self, spec: str) -> None:
        """Return no explanation of a failure: nothing shows it, and it would cost look-ups."""


def _to_pyspf(record: str, qtype: str) -> object:
    if qtype == "TXT":
        return (record.encode("latin-1"),)
    if qtype == "MX":
        preference, _, host = record.partition(" ")
        return int(preference), host
    return record
