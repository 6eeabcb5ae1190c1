"""DNS server on loopback, over UDP and TCP, and a resolver of the same zones without a network."""

import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from channels.email.config import ListenAddress
from channels.email.resolver import RecordKind
from channels.email.values import DnsUnavailable

SERVFAIL, NO_ANSWER = "SERVFAIL", "NO ANSWER"
"""Records of a zone that are failures: the server fails, or it does not answer at all."""

Zones = Mapping[tuple[str, str], Sequence[str]]
"""Records by name and kind, as text in the form of RFC 1035 without its quotation marks: ("corp.test", "MX")."""

MAX_UDP_LENGTH = 512  # octets; a longer answer is truncated, so that the client repeats the query over TCP
_MAX_ALIASES = 20


@dataclass
class ZoneResolver:
    """Resolver that reads zones directly. It counts its look-ups."""

    zones: Zones
    lookups: list[tuple[str, str]] = field(default_factory=list)

    def resolve(self, name: str, kind: RecordKind) -> tuple[str, ...]:
        self.lookups.append((name, kind))
        key = name.lower().removesuffix(".")
        for _ in range(_MAX_ALIASES):
            records = self.zones.get((key, kind))
            if records is not None and {SERVFAIL, NO_ANSWER}.isdisjoint(records):
                return tuple(record.removesuffix(".") if kind in ("MX", "PTR") else record for record in records)
            if records is not None:
                raise DnsUnavailable
            if (key, "CNAME") not in self.zones:
                return ()
            key = self.zones[key, "CNAME"][0].lower().removesuffix(".")
        raise DnsUnavailable  # a loop, for which a recursive server reports a failure


@dataclass
class DnsServer:
    """Server of zones, which may be changed while it runs. It records the queries."""

    zones: dict[tuple[str, str], Sequence[str]]
    address: ListenAddress
    queries: list[tuple[str, str, str]] = field(default_factory=list)

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """Return the response to a query; None for no answer."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind, transport))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if not self._add_records(response, name, kind):
            return None
        encoded = response.to_wire(max_size=65_535)
        if transport == "udp" and len(encoded) > MAX_UDP_LENGTH:
            response.answer.clear()
            response.flags |= dns.flags.TC
            encoded = response.to_wire()
        return encoded

    def _add_records(self, response: dns.message.Message, name: str, kind: str) -> bool:
        for _ in range(_MAX_ALIASES):
            records = self.zones.get((name, kind))
            if records is None and (name, "CNAME") in self.zones:
                target = self.zones[name, "CNAME"][0]
                response.answer.append(_rrset(name, "CNAME", [target]))
                name = target.lower().removesuffix(".")
                continue
            if records is None:
                is_known = any(known == name for known, _ in self.zones)
                response.set_rcode(dns.rcode.NOERROR if is_known else dns.rcode.NXDOMAIN)
            elif SERVFAIL in records:
                response.set_rcode(dns.rcode.SERVFAIL)
            elif NO_ANSWER in records:
                return False
            else:
                response.answer.append(_rrset(name, kind, records))
            return True
        response.answer.clear()
        response.set_rcode(dns.rcode.SERVFAIL)
        return True


def _rrset(name: str, kind: str, records: Sequence[str]) -> dns.rrset.RRset:
    texts = [_txt_form(record) if kind == "TXT" else _host_form(record, kind) for record in records]
    return dns.rrset.from_text(dns.name.from_text(name), 60, dns.rdataclass.IN, kind, *texts)


def _txt_form(record: str) -> str:
    """Return a TXT record as strings of at most 255 octets each (RFC 1035 §3.3.14)."""
    parts = [record[start : start + 255] for start in range(0, len(record), 255)] or [""]
    escaped = (part.replace("\\", "\\\\").replace('"', '\\"') for part in parts)
    return " ".join(f'"{part}"' for part in escaped)


def _host_form(record: str, kind: str) -> str:
    return f"{record.removesuffix('.')}." if kind in ("CNAME", "MX", "PTR") else record


@contextmanager
def running_dns_server(zones: Zones) -> Iterator[DnsServer]:
    """Run a server for the block, on a free port of loopback."""

    class UdpHandler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            if (answer := server.answer(wire, "udp")) is not None:
                sock.sendto(answer, self.client_address)

    class TcpHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = struct.unpack("!H", self.rfile.read(2))[0]
            if (answer := server.answer(self.rfile.read(length), "tcp")) is not None:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    with _listening_on_one_port(UdpHandler, TcpHandler) as (udp, tcp):
        server = DnsServer(dict(zones), ListenAddress(host="127.0.0.1", port=udp.server_address[1]))
        threads = [threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True) for each in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join()


@contextmanager
def _listening_on_one_port(
    udp_handler: type[socketserver.BaseRequestHandler], tcp_handler: type[socketserver.BaseRequestHandler]
) -> Iterator[tuple[socketserver.UDPServer, socketserver.TCPServer]]:
    """Bind a UDP and a TCP socket to the same free port; another port if one of the two is taken."""
    while True:
        udp = socketserver.UDPServer(("127.0.0.1", 0), udp_handler)
        try:
            tcp = socketserver.TCPServer(("127.0.0.1", udp.server_address[1]), tcp_handler)
        except OSError:
            udp.server_close()
            continue
        with udp, tcp:
            yield udp, tcp
        return
