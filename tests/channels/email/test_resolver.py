"""DNS look-ups over real sockets: all kinds of records, failures that are retried, and a limit for each mail."""

from collections.abc import Iterator

import pytest

from channels.email.config import ListenAddress
from channels.email.resolver import MAX_LOOKUPS, MAX_SECONDS, DnsResolver, RecordKind
from channels.email.values import DnsUnavailable
from tests.fakes.email.dns_server import NO_ANSWER, SERVFAIL, DnsServer, ZoneResolver, running_dns_server

LONG_TEXT = "v=DKIM1; p=" + "x" * 900
ZONES = {
    ("corp.test", "TXT"): ["v=spf1 -all", 'a "quoted" text'],
    ("corp.test", "MX"): ["10 mx1.corp.test", "20 mx2.corp.test"],
    ("corp.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("corp.test", "AAAA"): ["2001:db8::1"],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mail.corp.test"],
    ("long.test", "TXT"): [LONG_TEXT],
    ("alias.test", "CNAME"): ["corp.test"],
    ("loop.test", "CNAME"): ["pool.test"],
    ("pool.test", "CNAME"): ["loop.test"],
    ("dangling.test", "CNAME"): ["missing.test"],
    ("failing.test", "TXT"): [SERVFAIL],
    ("silent.test", "TXT"): [NO_ANSWER],
}


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with running_dns_server(ZONES) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("corp.test", "TXT", {"v=spf1 -all", 'a "quoted" text'}),
        ("Corp.TEST.", "MX", {"10 mx1.corp.test", "20 mx2.corp.test"}),
        ("corp.test", "A", {"192.0.2.1", "192.0.2.2"}),
        ("corp.test", "AAAA", {"2001:db8::1"}),
        ("1.2.0.192.in-addr.arpa", "PTR", {"mail.corp.test"}),
        ("long.test", "TXT", {LONG_TEXT}),
        ("alias.test", "TXT", {"v=spf1 -all", 'a "quoted" text'}),
        ("corp.test", "PTR", set()),
        ("missing.test", "TXT", set()),
        ("dangling.test", "TXT", set()),
        ("a..b", "TXT", set()),
        ("x" * 64 + ".test", "TXT", set()),
        (".".join(["x" * 60] * 5), "TXT", set()),
        ("\udc80.test", "TXT", set()),
        ("", "TXT", set()),
    ],
)
def test_records_of_a_name_are_returned(server: DnsServer, name: str, kind: RecordKind, records: set[str]) -> None:
    assert set(DnsResolver(server.address).resolve(name, kind)) == records
    assert set(ZoneResolver(ZONES).resolve(name, kind)) == records


def test_long_answer_is_fetched_over_tcp(server: DnsServer) -> None:
    server.queries.clear()
    DnsResolver(server.address).resolve("long.test", "TXT")
    assert [transport for _, _, transport in server.queries] == ["udp", "tcp"]


@pytest.mark.parametrize("name", ["failing.test", "loop.test"])
def test_failure_of_the_server_is_retried_later(server: DnsServer, name: str) -> None:
    with pytest.raises(DnsUnavailable):
        DnsResolver(server.address).resolve(name, "TXT")
    with pytest.raises(DnsUnavailable):
        ZoneResolver(ZONES).resolve(name, "TXT")


def test_no_answer_in_time_is_retried_later(server: DnsServer) -> None:
    times = iter([0.0, MAX_SECONDS - 0.2])
    resolver = DnsResolver(server.address, lambda: next(times))
    resolver.resolve("corp.test", "A")
    with pytest.raises(DnsUnavailable):
        resolver.resolve("silent.test", "TXT")


def test_server_without_an_address_is_retried_later() -> None:
    with pytest.raises(DnsUnavailable):
        DnsResolver(ListenAddress(host="256.0.0.1", port=53)).resolve("corp.test", "TXT")


def test_answers_are_remembered_for_the_mail(server: DnsServer) -> None:
    resolver = DnsResolver(server.address)
    server.queries.clear()
    assert resolver.resolve("corp.test", "A") == resolver.resolve("CORP.test.", "A")
    assert len(server.queries) == 1


def test_look_ups_of_a_mail_are_limited_in_number(server: DnsServer) -> None:
    resolver = DnsResolver(server.address)
    for number in range(MAX_LOOKUPS):
        resolver.resolve(f"n{number}.test", "A")
    with pytest.raises(DnsUnavailable, match="too many"):
        resolver.resolve("last.test", "A")
    assert resolver.resolve("n1.test", "A") == ()


def test_look_ups_of_a_mail_are_limited_in_time(server: DnsServer) -> None:
    times = iter([0.0, MAX_SECONDS])
    resolver = DnsResolver(server.address, lambda: next(times))
    resolver.resolve("corp.test", "A")
    with pytest.raises(DnsUnavailable, match="too long"):
        resolver.resolve("other.test", "A")
