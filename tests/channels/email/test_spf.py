"""SPF: cases of RFC 7208 with a resolver of zones, and the limits of its look-ups."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.spf_check import check_spf
from channels.email.values import DnsUnavailable, MailEnvelope
from tests.fakes.email.dns_server import SERVFAIL, ZoneResolver

CLIENT, CLIENT_IPV6 = "192.0.2.10", "2001:db8::10"


def envelope(mail_from: str = "alice@corp.test", peer: str = CLIENT, helo: str = "mail.corp.test") -> MailEnvelope:
    return MailEnvelope(mail_from=mail_from, recipients=("bot@x.test",), peer=peer, helo=helo, protocol="smtp")


def check(record: str, peer: str = CLIENT, mail_from: str = "alice@corp.test", **zones: list[str]) -> str | None:
    """Return the result for a record of corp.test. Other records are given as NAME__KIND, with _ for dots."""
    others = {(name.split("__")[0].replace("_", "."), name.split("__")[1]): found for name, found in zones.items()}
    return check_spf(envelope(mail_from, peer), ZoneResolver({("corp.test", "TXT"): [record], **others}))


@pytest.mark.parametrize(
    ("record", "zones"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", {}),
        ("v=spf1 ip4:192.0.2.0/24 -all", {}),
        ("V=SPF1 IP4:192.0.2.10 -ALL", {}),
        ("v=spf1 a -all", {"corp_test__A": [CLIENT]}),
        ("v=spf1 a:mail.corp.test -all", {"mail_corp_test__A": ["192.0.2.1", CLIENT]}),
        ("v=spf1 mx -all", {"corp_test__MX": ["10 mx_corp_test".replace("_", ".")], "mx_corp_test__A": [CLIENT]}),
        ("v=spf1 include:other.test -all", {"other_test__TXT": ["v=spf1 ip4:192.0.2.10 -all"]}),
        ("v=spf1 redirect=other.test", {"other_test__TXT": ["v=spf1 ip4:192.0.2.10 -all"]}),
        ("v=spf1 exists:%{l}.%{d2} -all", {"alice_corp_test__A": ["127.0.0.2"]}),
        ("v=spf1 exists:%{ir}.spf.test -all", {"10_2_0_192_spf_test__A": ["127.0.0.2"]}),
        ("v=spf1 ptr -all", {"10_2_0_192_in-addr_arpa__PTR": ["m.corp.test"], "m_corp_test__A": [CLIENT]}),
        ("v=spf1 ip4:192.0.2.10 exp=why.test -all", {}),
        ("v=spf1 a:alias.test -all", {"alias_test__CNAME": ["mail.corp.test"], "mail_corp_test__A": [CLIENT]}),
    ],
)
def test_permitted_client_passes_for_the_domain_of_the_envelope(record: str, zones: dict[str, list[str]]) -> None:
    assert check(record, **zones) == "corp.test"


def test_permitted_ipv6_client_passes() -> None:
    assert check("v=spf1 ip6:2001:db8::/32 -all", CLIENT_IPV6) == "corp.test"
    assert check("v=spf1 a -all", CLIENT_IPV6, corp_test__AAAA=["2001:db8::10"]) == "corp.test"
    assert check("v=spf1 ip4:192.0.2.10 -all", f"::ffff:{CLIENT}") == "corp.test"


@pytest.mark.parametrize(
    ("record", "zones"),
    [
        ("v=spf1 -all", {}),
        ("v=spf1 ~all", {}),
        ("v=spf1 ?all", {}),
        ("v=spf1 ?ip4:192.0.2.10 -all", {}),
        ("v=spf1 -ip4:192.0.2.10 +all", {}),
        ("v=spf1", {}),
        ("v=spf10 +all", {}),
        ("spf2.0/pra +all", {}),
        ("v=spf1 ip4:192.0.2.300 +all", {}),
        ("v=spf1 unknown:x +all", {}),
        ("v=spf1 include:missing.test +all", {}),
        ("v=spf1 include:other.test -all", {"other_test__TXT": ["v=spf1 -all"]}),
        ("v=spf1 redirect=missing.test", {}),
        ("v=spf1 include:corp.test +all", {}),
        ("v=spf1 ptr -all", {"10_2_0_192_in-addr_arpa__PTR": ["m.corp.test"], "m_corp_test__A": ["192.0.2.99"]}),
        ("v=spf1 a:a.test a:b.test a:c.test +all", {}),
        ("v=spf1 \xe9 +all", {}),
    ],
)
def test_client_that_is_not_permitted_does_not_pass(record: str, zones: dict[str, list[str]]) -> None:
    assert check(record, **zones) is None


def test_record_with_too_many_look_ups_does_not_pass() -> None:
    chain = {f"n{n}_test__TXT": [f"v=spf1 include:n{n + 1}.test -all"] for n in range(1, 12)}
    assert check("v=spf1 include:n1.test -all", **chain, n12_test__TXT=["v=spf1 +all"]) is None
    assert check("v=spf1 mx -all", corp_test__MX=[f"10 m{n}.test" for n in range(11)], m0_test__A=[CLIENT]) is None


def test_two_records_do_not_pass() -> None:
    assert check_spf(envelope(), ZoneResolver({("corp.test", "TXT"): ["v=spf1 +all", "v=spf1 +all"]})) is None


def test_temporary_error_is_retried_later() -> None:
    with pytest.raises(DnsUnavailable):
        check_spf(envelope(), ZoneResolver({("corp.test", "TXT"): [SERVFAIL]}))
    with pytest.raises(DnsUnavailable):
        check("v=spf1 include:other.test -all", other_test__TXT=[SERVFAIL])


@pytest.mark.parametrize("mail_from", ["", "alice", "@corp.test", "alice@", '"a b"@corp.test', "alice@[192.0.2.10]"])
def test_sender_without_a_plain_address_does_not_pass(mail_from: str) -> None:
    assert check("v=spf1 +all", mail_from=mail_from) is None


def test_domain_of_the_envelope_is_compared_as_a_labels() -> None:
    zones = {("xn--mnchen-3ya.test", "TXT"): ["v=spf1 +all"]}
    assert check_spf(envelope("alice@München.test"), ZoneResolver(zones)) == "xn--mnchen-3ya.test"


def test_peer_that_is_no_address_does_not_pass() -> None:
    assert check("v=spf1 ip4:192.0.2.10 -all", "unix:/socket") is None


def test_explanation_is_not_looked_up() -> None:
    resolver = ZoneResolver({("corp.test", "TXT"): ["v=spf1 exp=why.test -all"]})
    check_spf(envelope(), resolver)
    assert [name for name, _ in resolver.lookups] == ["corp.test"]


IMPORT_WITHOUT_BYTECODE = """
import sys, warnings, channels.email.resolver
sys.pycache_prefix, sys.dont_write_bytecode = sys.argv[1], False
import channels.email.spf_check
try:
    warnings.warn("another warning")
except UserWarning:
    print("still an error")
"""


def test_compiling_the_library_is_no_error_and_other_warnings_remain_one(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_WITHOUT_BYTECODE, str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=True)
    assert finished.stdout == "still an error\n"
    assert list(tmp_path.rglob("spf.*.pyc"))


terms = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "-all",
        "~all",
        "ip4:192.0.2.99",
        "include:corp.test",
        "redirect=corp.test",
        "exists:%{i}",
        "%",
        "a:%{d9}/33",
    ]
)


@given(st.lists(terms | st.text(st.characters(exclude_characters=" "), max_size=12), max_size=8))
def test_record_that_does_not_name_the_client_never_passes(parts: list[str]) -> None:
    record = " ".join(
        ["v=spf1", *(part for part in parts if not part.lower().startswith(("+all", "all", "ip4", "ip6")))]
    )
    try:
        assert check(record) is None
    except DnsUnavailable:
        pytest.fail("nothing failed")
