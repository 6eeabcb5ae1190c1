"""Genuine senders are authenticated by DKIM, SPF or a trusted mail server; a failure of DNS is retried later."""

import time
from email.errors import ObsoleteHeaderDefect
from email.policy import default
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.authentication import create_sender_check, find_sender
from channels.email.authentication_results import find_dmarc_pass
from channels.email.config import EmailSettings
from channels.email.dkim_check import MAX_SIGNATURES, Signature, check_signatures
from channels.email.header_fields import find_header_values
from channels.email.values import DnsUnavailable, MailEnvelope
from tests.channels.email.sender_checks import AUTHSERV_ID, CLIENT, ZONES, check, parse_from, signed_mail, write_mail
from tests.fakes.email.dkim_keys import make_key, sign
from tests.fakes.email.dns_server import SERVFAIL, ZoneResolver, running_dns_server

ALICE = "alice@corp.test"


@pytest.mark.parametrize(
    "raw",
    [
        signed_mail(),
        signed_mail("mail.corp.test"),
        signed_mail(sender="alice@corp.test"),
        signed_mail(sender='"Alice, Boss" <Alice@Corp.test>'),
        signed_mail(sender="Alice Example (DevOps) <alice@corp.test>"),
        signed_mail(sender="Alice B. Example Jr. <alice@corp.test>"),
        signed_mail(sender="=?utf-8?q?Al=C3=AFce?= <alice@corp.test>"),
        signed_mail(sender="Älice <alice@corp.test>"),
        signed_mail(sender='"Alice"\r\n <alice@corp.test>'),
        sign(signed_mail(), "esp.test"),
        sign(signed_mail("evil.test"), "corp.test"),
        sign(write_mail(), "corp.test", canonicalization="simple/simple"),
        b"Received: from a by b\r\n" + signed_mail(),
        b"Authentication-Results: mx.bot.test; dmarc=fail\r\n" + signed_mail(),
    ],
    ids=range(14),
)
def test_aligned_signature_authenticates_its_sender(raw: bytes) -> None:
    verdict = check(raw, mail_from="bounces@esp.test")
    assert (verdict.address, verdict.is_authenticated, verdict.method) == (ALICE, True, "dkim")


@pytest.mark.parametrize("mail_from", [ALICE, "bounces@mail.corp.test"])
def test_aligned_spf_record_authenticates_its_sender(mail_from: str) -> None:
    verdict = check(write_mail(), mail_from=mail_from, peer=CLIENT)
    assert (verdict.address, verdict.is_authenticated, verdict.method) == (ALICE, True, "spf")


def test_strict_policy_needs_the_same_domain() -> None:
    mail = write_mail("alice@strict.test")
    assert check(sign(mail, "strict.test")).is_authenticated
    assert check(mail, mail_from="alice@strict.test", peer=CLIENT).is_authenticated
    assert not check(sign(mail, "sub.strict.test")).is_authenticated


def test_domain_with_other_letters_is_compared_as_a_labels() -> None:
    zones = {("s1._domainkey.xn--mnchen-3ya.test", "TXT"): [make_key("münchen").record]}
    raw = sign(write_mail("alice@münchen.test"), "xn--mnchen-3ya.test", key=make_key("münchen"))
    assert check(raw, zones=zones).is_authenticated
    assert check(raw, zones=zones).address == "alice@xn--mnchen-3ya.test"


def trusted(result: str) -> bytes:
    return f"Authentication-Results: {result}\r\n".encode() + write_mail()


@pytest.mark.parametrize(
    "result",
    [
        "mx.bot.test; dmarc=pass header.from=corp.test",
        "MX.bot.test 1; spf=fail smtp.mailfrom=x@esp.test;\r\n\tdmarc=pass (p=none; dis=none) header.from=Corp.test",
        'mx.bot.test; dkim=pass header.d=esp.test; dmarc=pass reason="x; y" header.from=alice@corp.test',
        '"mx.bot.test" ; dmarc = pass policy.dmarc=reject header.from = "corp.test" ; arc=none',
        "mx.bot.test (a (nested \\) comment)); DMARC=PASS header.from=corp.test",
    ],
)
def test_result_of_the_server_in_front_authenticates_the_sender(result: str) -> None:
    verdict = check(trusted(result), protocol="lmtp", authserv_id=AUTHSERV_ID)
    assert (verdict.address, verdict.is_authenticated, verdict.method) == (ALICE, True, "trusted header")


@pytest.mark.parametrize(("protocol", "authserv_id"), [("smtp", AUTHSERV_ID), ("lmtp", None)])
def test_header_counts_only_on_lmtp_and_with_a_configured_server(protocol: str, authserv_id: str | None) -> None:
    raw = trusted("mx.bot.test; dmarc=pass header.from=corp.test")
    assert not check(raw, protocol=protocol, authserv_id=authserv_id).is_authenticated
    assert check(sign(raw, "corp.test"), protocol=protocol, authserv_id=authserv_id).method == "dkim"


def test_trusted_server_is_not_overruled_by_a_signature() -> None:
    raw = b"Authentication-Results: mx.bot.test; dmarc=fail header.from=corp.test\r\n" + signed_mail()
    assert not check(raw, protocol="lmtp", authserv_id=AUTHSERV_ID).is_authenticated


@pytest.mark.parametrize(
    "broken", [("s1._domainkey.corp.test", "TXT"), ("corp.test", "TXT"), ("_dmarc.corp.test", "TXT")], ids=str
)
def test_failure_of_dns_that_could_change_the_verdict_is_retried(broken: tuple[str, str]) -> None:
    raw = sign(write_mail(), "corp.test", key=make_key("other")) if broken[0] == "corp.test" else signed_mail()
    with pytest.raises(DnsUnavailable):
        check(raw, zones={**ZONES, broken: [SERVFAIL]}, peer=CLIENT if broken[0] == "corp.test" else "203.0.113.1")


def test_failure_of_dns_that_changes_nothing_is_ignored() -> None:
    without_esp_key = {**ZONES, ("s1._domainkey.esp.test", "TXT"): [SERVFAIL]}
    assert check(sign(signed_mail(), "esp.test"), zones=without_esp_key).is_authenticated
    without_key = {**ZONES, ("s1._domainkey.corp.test", "TXT"): [SERVFAIL]}
    assert check(signed_mail(), zones=without_key, peer=CLIENT).method == "spf"


def test_check_uses_the_configured_dns_server() -> None:
    with running_dns_server(ZONES) as server:
        sender_check = create_sender_check(EmailSettings(dns_resolver=server.address))
        envelope = MailEnvelope(mail_from=ALICE, recipients=("b@b.test",), peer="::1", helo="x", protocol="lmtp")
        assert sender_check(signed_mail(), parse_from(signed_mail()), envelope).is_authenticated
        assert not sender_check(write_mail(), parse_from(write_mail()), envelope).is_authenticated
        asked = {name for name, _, _ in server.queries}
    assert asked == {"_dmarc.corp.test", "s1._domainkey.corp.test"}


def test_number_of_checked_signatures_is_limited() -> None:
    raw = signed_mail()
    for _ in range(MAX_SIGNATURES):
        raw = sign(raw, "corp.test", key=make_key("other"))
    assert len(check_signatures(raw, ZoneResolver(ZONES))) == MAX_SIGNATURES
    assert not check(raw).is_authenticated


def test_signature_without_dns_answer_is_unknown() -> None:
    resolver = ZoneResolver({("s1._domainkey.corp.test", "TXT"): [SERVFAIL]})
    assert check_signatures(signed_mail(), resolver) == (Signature("corp.test", is_valid=False, is_unknown=True),)


def test_trailing_spaces_that_would_take_quadratic_time_are_not_verified() -> None:
    resolver = ZoneResolver(ZONES)
    assert check_signatures(signed_mail() + b" " * 60_000 + b"x", resolver) == ()
    assert check_signatures(signed_mail() + (b"\t" * 100 + b"x") * 5_000, resolver) == ()
    assert resolver.lookups == []
    assert check(signed_mail(body=f"x{' ' * 1_000}x\r\n" * 20)).is_authenticated


@given(st.binary(max_size=60), st.integers(0, 2_000), st.booleans())
def test_changed_mail_is_never_authenticated_and_never_fails(inserted: bytes, position: int, is_signed: bool) -> None:
    raw = signed_mail() if is_signed else write_mail()
    position %= len(raw)
    changed = raw[:position] + inserted + raw[position:]
    verdict = check(changed)
    if verdict.is_authenticated:
        assert is_signed
        assert verdict.address == ALICE
        assert b"\r\n\r\nAPPROVE K7P2Q\r\n" in changed


FROM_PARTS = [
    "a@b.test",
    "<a@b.test>",
    "x@",
    "@",
    "<",
    ">",
    '"',
    '"x"',
    "Ann B",
    ",",
    ":",
    ";",
    "(",
    ")",
    "(x)",
    "\\",
    " ",
]
HARMLESS_DEFECTS = (ObsoleteHeaderDefect,)  # a full stop in a name without quotation marks


def sender_of(value: str) -> str | None:
    raw = f"From: {value}\r\n\r\n".encode("utf-8", "surrogatepass")
    try:
        return find_sender(raw, [value])
    except ValueError:
        return None


def test_accepted_from_headers_are_those_that_pythons_parser_finds_valid() -> None:
    accepted = {
        value: found for parts in product(FROM_PARTS, repeat=4) if (found := sender_of(value := "".join(parts)))
    }
    assert len(accepted) > 40
    for value, found in accepted.items():
        parsed = default.header_factory("From", value.strip())
        assert [defect for defect in parsed.defects if not isinstance(defect, HARMLESS_DEFECTS)] == [], value
        assert [(group.display_name, len(group.addresses)) for group in parsed.groups] == [(None, 1)], value
        assert parsed.addresses[0].addr_spec == found, value


@given(st.text(max_size=80))
def test_any_from_header_is_read_without_an_error(value: str) -> None:
    assert sender_of(value) is None or "@" in value


@given(
    st.text(max_size=100)
    | st.lists(
        st.sampled_from(["dmarc", "=", "pass", ";", " ", "(", ")", '"', "\\", "header.from=corp.test", "mx"])
    ).map("".join)
)
def test_any_result_header_is_read_without_an_error(text: str) -> None:
    raw = f"Authentication-Results: {text}\r\n\r\n".encode("utf-8", "surrogatepass")
    assert find_dmarc_pass(raw, "mx") in (None, "corp.test")


def test_header_fields_are_found_without_a_parser() -> None:
    raw = b"FROM : a\r\nSubject: x\r\n y\r\nfrom:b\r\n\tc\nX-From: d\r\n\r\nFrom: e\r\n"
    assert find_header_values(raw, "From") == ("a", "b\tc")
    assert find_header_values(raw, "subject") == ("x y",)
    assert find_header_values(b"\r\nFrom: a\r\n", "From") == ()
    for end in (b"", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\n\n"):
        assert find_header_values(b"From: a" + end, "From") == ("a",)
    assert find_header_values(b"From: a\x1f\r\n", "From") == ("a\x1f",)


def test_header_of_many_lines_is_unfolded_in_linear_time() -> None:
    started_at = time.process_time()
    find_header_values(b"From:" + b"\n x" * 80_000, "From")
    assert time.process_time() - started_at < 1
