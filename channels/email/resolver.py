"""DNS look-ups for the checks of a sender, with a limit for each mail, because its sender chooses the names."""

import socket
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import dns.exception
import dns.name
import dns.resolver

from channels.email.config import ListenAddress
from channels.email.values import DnsUnavailable

MAX_LOOKUPS = 40
MAX_SECONDS = 10.0
_SERVER_TIMEOUT_SECONDS = 2.0
_LOOKUP_TIMEOUT_SECONDS = 5.0

RecordKind = Literal["TXT", "A", "AAAA", "MX", "PTR"]


class Resolver(Protocol):
    """Source of DNS records."""

    def resolve(self, name: str, kind: RecordKind) -> tuple[str, ...]:
        """Return the records of a name; none if it does not exist or is no domain name.

        A TXT record is the text of all its strings, with one character for each octet. An MX record is `10 HOST`.
        Names of hosts end without a dot. Raises DnsUnavailable if no server gives an answer.
        """
        ...


class DnsResolver:
    """Resolver for one mail, which asks one server, or those of the machine, and remembers the answers.

    It raises DnsUnavailable after MAX_LOOKUPS look-ups or MAX_SECONDS since the first of them.
    """

    def __init__(self, address: ListenAddress | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._monotonic = monotonic
        self._answers: dict[tuple[str, RecordKind], tuple[str, ...]] = {}
        self._lookup_count = 0
        self._ends_at: float | None = None
        self._client: dns.resolver.Resolver | None = None

    def resolve(self, name: str, kind: RecordKind) -> tuple[str, ...]:
        key = (name.lower().removesuffix("."), kind)
        if key not in self._answers:
            self._answers[key] = self._look_up(*key)
        return self._answers[key]

    def _look_up(self, name: str, kind: RecordKind) -> tuple[str, ...]:
        try:
            absolute_name = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return ()
        seconds = self._use_lookup()
        if self._client is None:
            self._client = _create_client(self._address)
        try:
            answer = self._client.resolve(absolute_name, kind, raise_on_no_answer=False, lifetime=seconds, search=False)
        except (dns.exception.Timeout, dns.resolver.NoNameservers, OSError) as error:
            raise DnsUnavailable from error
        except dns.exception.DNSException:  # the name does not exist, or its aliases lead nowhere
            return ()
        return tuple(_to_text(record, kind) for record in answer.rrset or ())

    def _use_lookup(self) -> float:
        """Count a look-up, and return how many seconds it may take. Raises DnsUnavailable."""
        now = self._monotonic()
        if self._ends_at is None:
            self._ends_at = now + MAX_SECONDS
        self._lookup_count += 1
        if self._lookup_count > MAX_LOOKUPS or now >= self._ends_at:
            raise DnsUnavailable("the look-ups for this mail took too long or were too many")
        return min(_LOOKUP_TIMEOUT_SECONDS, self._ends_at - now)


def _create_client(address: ListenAddress | None) -> dns.resolver.Resolver:
    """Return a client of the server, or of those that the machine uses. Raises DnsUnavailable."""
    try:
        client = dns.resolver.Resolver(configure=address is None)
        if address is not None:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
            client.nameservers, client.port = [str(found[0][4][0])], address.port
    except (dns.resolver.NoResolverConfiguration, OSError) as error:
        raise DnsUnavailable from error
    client.timeout = _SERVER_TIMEOUT_SECONDS
    return client


def _to_text(record: Any, kind: RecordKind) -> str:
    match kind:
        case "TXT":
            return b"".join(record.strings).decode("latin-1")
        case "MX":
            return f"{record.preference} {record.exchange.to_text(omit_final_dot=True)}"
        case "PTR":
            return str(record.target.to_text(omit_final_dot=True))
        case _:
            return str(record.address)
