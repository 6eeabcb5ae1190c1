"""DMARC: policies, organizational domains and alignment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.dmarc import AlignmentMode, DmarcPolicy, find_policy, is_aligned, organizational_domain
from channels.email.values import DnsUnavailable
from tests.fakes.email.dns_server import SERVFAIL, ZoneResolver

STRICT, RELAXED = DmarcPolicy("s", "s"), DmarcPolicy("r", "r")


@pytest.mark.parametrize(
    ("domain", "organizational"),
    [
        ("corp.test", "corp.test"),
        ("a.b.corp.test", "corp.test"),
        ("example.co.uk", "example.co.uk"),
        ("mail.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("test", "test"),
        ("localhost", "localhost"),
        ("alice.github.io", "alice.github.io"),
        ("mail.alice.github.io", "alice.github.io"),
    ],
)
def test_organizational_domain_is_below_the_public_suffix(domain: str, organizational: str) -> None:
    assert organizational_domain(domain) == organizational


@pytest.mark.parametrize(
    ("one", "other", "is_relaxed", "is_strict"),
    [
        ("corp.test", "corp.test", True, True),
        ("mail.corp.test", "corp.test", True, False),
        ("corp.test", "a.b.corp.test", True, False),
        ("corp.test", "evil.test", False, False),
        ("corp.test", "test", False, False),
        ("corp.corp", "evil.corp", False, False),
        ("corp", "evil.corp", False, False),
        ("corp.test", "evilcorp.test", False, False),
        ("corp.test", "corp.test.evil.test", False, False),
        ("alice.github.io", "bob.github.io", False, False),
        ("one.co.uk", "two.co.uk", False, False),
        ("co.uk", "two.co.uk", False, False),
    ],
)
def test_domains_of_one_organization_are_aligned(one: str, other: str, is_relaxed: bool, is_strict: bool) -> None:
    assert is_aligned(one, other, "r") == is_aligned(other, one, "r") == is_relaxed
    assert is_aligned(one, other, "s") == is_strict


@pytest.mark.parametrize(
    ("records", "policy"),
    [
        ({}, RELAXED),
        ({"_dmarc.mail.corp.test": ["v=DMARC1; p=none"]}, RELAXED),
        ({"_dmarc.mail.corp.test": ["v=DMARC1; p=reject; adkim=s; aspf=s"]}, STRICT),
        ({"_dmarc.mail.corp.test": ["v=DMARC1;p=reject;ADKIM=S ; aspf = r"]}, DmarcPolicy("s", "r")),
        ({"_dmarc.corp.test": ["v=DMARC1; p=none; adkim=s; aspf=s"]}, STRICT),
        ({"_dmarc.mail.corp.test": ["v=DMARC1; p=none"], "_dmarc.corp.test": ["v=DMARC1; adkim=s"]}, RELAXED),
        ({"_dmarc.mail.corp.test": ["other", "v=DMARC1; adkim=s; aspf=s"]}, STRICT),
        ({"_dmarc.mail.corp.test": ["v=DMARC1; p=none", "v=DMARC1; adkim=s; aspf=s"]}, STRICT),
        ({"_dmarc.mail.corp.test": ["v=spf1 -all", "p=none; v=DMARC1; adkim=s", "v=DMARC2; adkim=s"]}, RELAXED),
        ({"_dmarc.mail.corp.test": ["v=DMARC1; adkim=x; aspf"]}, RELAXED),
    ],
)
def test_policy_is_that_of_the_domain_or_of_its_organization(
    records: dict[str, list[str]], policy: DmarcPolicy
) -> None:
    zones = {(name, "TXT"): texts for name, texts in records.items()}
    assert find_policy("mail.corp.test", ZoneResolver(zones)) == policy


@pytest.mark.parametrize("name", ["_dmarc.mail.corp.test", "_dmarc.corp.test"])
def test_failure_of_the_dns_server_is_no_missing_policy(name: str) -> None:
    with pytest.raises(DnsUnavailable):
        find_policy("mail.corp.test", ZoneResolver({(name, "TXT"): [SERVFAIL]}))


@given(st.text(max_size=60))
def test_any_record_gives_a_policy(text: str) -> None:
    policy = find_policy("corp.test", ZoneResolver({("_dmarc.corp.test", "TXT"): [text, "v=DMARC1; adkim=s"]}))
    assert policy.adkim == "s"


names = st.from_regex(r"[a-c]{1,2}(\.[a-c]{1,2}){0,3}\.(test|corp|co\.uk|com|github\.io)", fullmatch=True)


@given(names, names, st.sampled_from(["r", "s"]))
def test_alignment_needs_a_common_domain_below_the_suffix(one: str, other: str, mode: AlignmentMode) -> None:
    if is_aligned(one, other, mode):
        shared = organizational_domain(one)
        assert f".{one}".endswith(f".{shared}")
        assert f".{other}".endswith(f".{shared}")
        assert "." in shared
