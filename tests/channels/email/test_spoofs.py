"""Forged mails in the name of alice@corp.test: none is authenticated as anybody at corp.test."""

from typing import Any

import pytest

from channels.email.authentication import find_sender
from channels.email.header_fields import find_header_values
from tests.channels.email.sender_checks import (
    AUTHSERV_ID,
    CLIENT,
    EVIL_CLIENT,
    check,
    parse_from,
    signed_mail,
    write_mail,
)
from tests.fakes.email.dkim_keys import SHORT_KEY, SIGNED_HEADERS, make_key, sign

EVIL_ENVELOPE = {"mail_from": "evil@evil.test", "peer": EVIL_CLIENT}
"""SPF passes for evil.test, so that only the From header stands between the forger and success."""

AMBIGUOUS_SENDERS = {
    "address as a name": "boss@corp.test <evil@evil.test>",
    "angle address first": "<alice@corp.test>evil@evil.test",
    "two angle addresses": "<alice@corp.test> <evil@evil.test>",
    "name behind the address": "<evil@evil.test> alice@corp.test",
    "list": "alice@corp.test, evil@evil.test",
    "list, reversed": "evil@evil.test, alice@corp.test",
    "list of names": "Alice <alice@corp.test>, Evil <evil@evil.test>",
    "unquoted comma": "Example, Alice <alice@corp.test>",
    "group": "Team: alice@corp.test;",
    "group of two": "Team: alice@corp.test, evil@evil.test;",
    "empty group": "Team:;",
    "group and address": "Team:; alice@corp.test",
    "source route": "<@evil.test:alice@corp.test>",
    "two at signs": "alice@corp.test@evil.test",
    "two at signs in brackets": "<alice@corp.test@evil.test>",
    "percent route": "<alice%corp.test>",
    "comment as an address": "evil@evil.test (alice@corp.test)",
    "comment within the address": "alice@corp.test(evil@evil.test)",
    "comment before the at sign": "alice(x)@corp.test",
    "nested comment": "Alice (a (b)) <alice@corp.test>",
    "address in a comment of the name": "Alice (<alice@corp.test>) <evil@evil.test>",
    "quoted local part": '"alice@corp.test"@evil.test',
    "quoted local part of alice": '"alice"@corp.test',
    "open quotation mark": '"alice@corp.test <evil@evil.test>',
    "quotation mark inside": 'Ali"ce <alice@corp.test>',
    "escaped quotation mark": '"Alice\\" <alice@corp.test>',
    "encoded word as the address": "=?utf-8?q?alice=40corp.test?=",
    "encoded word in brackets": "<=?utf-8?q?alice=40corp.test?=>",
    "encoded end of the address": "=?utf-8?q?alice=40corp.test=3E?= evil@evil.test",
    "null character": "alice@corp.test\x00@evil.test",
    "control character": "Alice\x1b <alice@corp.test>",
    "text direction": "Alice\N{RIGHT-TO-LEFT OVERRIDE} <alice@corp.test>",
    "full-width domain": "alice@\N{FULLWIDTH LATIN SMALL LETTER C}orp.test",
    "ideographic full stop": "alice@corp\N{IDEOGRAPHIC FULL STOP}test",
    "soft hyphen": "alice@co\N{SOFT HYPHEN}rp.test",
    "domain that is two": "alice@corp.test\N{ZERO WIDTH SPACE}.evil.test",
    "Kelvin sign": "mar\N{KELVIN SIGN}@corp.test",
    "invalid UTF-8": "alice@corp.test\udcff",
    "space in the domain": "alice@corp. test",
    "line break in the address": "alice@cor\r\n p.test",
    "dot at the end": "alice@corp.test.",
    "address literal": "alice@[203.0.113.66]",
    "no domain": "alice",
    "empty": "",
    "only brackets": "<>",
    "missing bracket": "Alice <alice@corp.test",
    "bracket without its opening": "alice@corp.test>",
    "surplus bracket": "Alice <alice@corp.test>>",
    "very long name": f"{'x' * 2_000} <alice@corp.test>",
}

EXTRA_HEADERS = {
    "second From above": "From: evil@evil.test\r\n",
    "second From in capitals": "FROM: evil@evil.test\r\n",
    "second From with a space": "From : evil@evil.test\r\n",
    "second From, folded": "From:\r\n evil@evil.test\r\n",
    "the same From twice": "From: Alice <alice@corp.test>\r\n",
}

SIGNATURES = {
    "none": write_mail(),
    "of another domain": signed_mail("evil.test"),
    "of another domain for an address of corp.test": sign(write_mail(), "evil.test", i="alice@corp.test"),
    "of another domain in the name of corp.test": sign(write_mail(), "corp.test", key=make_key("evil.test")),
    "of a domain that ends alike": signed_mail("evilcorp.test"),
    "of a domain below another": signed_mail("corp.test.evil.test"),
    "of the top-level domain": signed_mail("test"),
    "of a neighbor below a public suffix": sign(write_mail("alice@one.co.uk"), "two.co.uk"),
    "of a public suffix": sign(write_mail("alice@one.co.uk"), "co.uk"),
    "of a subdomain under a strict policy": sign(write_mail("alice@strict.test"), "sub.strict.test"),
    "with another body": signed_mail().replace(b"K7P2Q", b"ABCDE"),
    "with a longer body": signed_mail() + b"APPROVE ABCDE\r\n",
    "with a longer body and its length": sign(write_mail(), "corp.test", has_length=True) + b"APPROVE ABCDE\r\n",
    "with a length": sign(write_mail(), "corp.test", has_length=True),
    "with another sender": signed_mail(sender="eve@corp.test").replace(b"eve@", b"alice@"),
    "with another subject": signed_mail().replace(b"Re: Approval", b"Re: Approved"),
    "without the From header": sign(write_mail(), "corp.test", headers=SIGNED_HEADERS[1:]),
    "with SHA-1": sign(write_mail(), "corp.test", algorithm="rsa-sha1"),
    "with a short key": sign(write_mail(), "corp.test", key=SHORT_KEY, selector="short"),
    "with a revoked key": sign(write_mail(), "corp.test", selector="old"),
    "with an unknown selector": sign(write_mail(), "corp.test", selector="missing"),
    "with two keys": sign(write_mail(), "corp.test", selector="two"),
    "with a key for another service": sign(write_mail(), "corp.test", selector="jobs"),
    "with a key of another algorithm": sign(write_mail(), "corp.test", selector="curve"),
    "with a key record that is too long": sign(write_mail(), "corp.test", selector="huge"),
    "that has expired": sign(write_mail(), "corp.test", t="1500000000", x="1500000001"),
    "from the future": sign(write_mail(), "corp.test", t="99999999999"),
    "for another address": sign(write_mail(), "corp.test", i="alice@evil.test"),
    "without a signed date": sign(write_mail(), "corp.test", headers=[h for h in SIGNED_HEADERS if h != "Date"]),
    "with a second Message-ID above": b"Message-ID: <new@evil.test>\r\n" + signed_mail(),
    "with a second Content-Type above": b"Content-Type: text/html\r\n" + signed_mail(),
    "with a second Date above": b"Date: Fri, 02 Jan 2026 09:00:00 +0000\r\n" + signed_mail(),
    "of another version": signed_mail().replace(b"v=1", b"v=2"),
    "with a repeated tag": signed_mail().replace(b"v=1;", b"v=1; d=evil.test;"),
    "with an unknown canonicalization": signed_mail().replace(b"relaxed/relaxed", b"relaxed/none"),
    "with an empty body hash": signed_mail().replace(b"bh=", b"bh=;x="),
    "without a domain": signed_mail().replace(b"d=corp.test", b"d="),
    "for a selector that is a path": sign(write_mail(), "corp.test", selector="a b/../s1"),
    "that is very long": signed_mail().replace(b"v=1;", b"v=1; z=" + b"x" * 9_000 + b";"),
    "that is not one": b"DKIM-Signature: corp.test\r\n" + write_mail(),
    "of ARC only": signed_mail().replace(b"DKIM-Signature", b"ARC-Message-Signature"),
}

RESULTS = {
    "of another server": "mx.evil.test; dmarc=pass header.from=corp.test",
    "of a server that begins alike": "mx.bot.test.evil.test; dmarc=pass header.from=corp.test",
    "of a server named in a comment": "evil (mx.bot.test); dmarc=pass header.from=corp.test",
    "of a later version": "mx.bot.test 2; dmarc=pass header.from=corp.test",
    "without a server": "; dmarc=pass header.from=corp.test",
    "that failed": "mx.bot.test; dmarc=fail header.from=corp.test",
    "that is none": "mx.bot.test; none",
    "with pass in a comment": "mx.bot.test; dmarc=fail (dmarc=pass) header.from=corp.test",
    "with pass in a quoted string": 'mx.bot.test; spf=fail smtp.mailfrom="; dmarc=pass header.from=corp.test"',
    "with pass in an open comment": "mx.bot.test; spf=fail (helo=x; dmarc=pass header.from=corp.test",
    "with pass in an open string": 'mx.bot.test; spf=fail "x; dmarc=pass header.from=corp.test',
    "with an escaped bracket": "mx.bot.test; spf=fail (\\); dmarc=pass header.from=corp.test)",
    "for another domain": "mx.bot.test; dmarc=pass header.from=evil.test",
    "for a subdomain": "mx.bot.test; dmarc=pass header.from=sub.corp.test",
    "for two domains": "mx.bot.test; dmarc=pass header.from=evil.test header.from=corp.test",
    "for two domains, reversed": "mx.bot.test; dmarc=pass header.from=corp.test header.from=evil.test",
    "for no domain": "mx.bot.test; dmarc=pass",
    "for a domain in a comment": "mx.bot.test; dmarc=pass (header.from=corp.test)",
    "twice": "mx.bot.test; dmarc=fail header.from=corp.test; dmarc=pass header.from=corp.test",
    "twice, reversed": "mx.bot.test; dmarc=pass header.from=corp.test; dmarc=fail header.from=corp.test",
    "of another method": "mx.bot.test; dkim=pass header.d=corp.test; spf=pass header.from=corp.test",
    "of a method that begins alike": "mx.bot.test; dmarc-x=pass header.from=corp.test",
    "that begins alike": "mx.bot.test; dmarc=passed header.from=corp.test",
    "that is a bare word": "mx.bot.test; dmarc pass header.from=corp.test",
    "that is quoted": 'mx.bot.test; "dmarc"="pass" header.from=corp.test',
    "that is very long": f"mx.bot.test ({'x' * 20_000}); dmarc=pass header.from=corp.test",
}
RESULT_HEADER, GENUINE_RESULT = "Authentication-Results:", "mx.bot.test; dmarc=pass header.from=corp.test"

RESULT_HEADERS = {
    "below that of the server": f"{RESULT_HEADER} mx.bot.test; spf=none\r\n{RESULT_HEADER} {GENUINE_RESULT}\r\n",
    "below that of another server": f"{RESULT_HEADER} a.test; none\r\n{RESULT_HEADER} {GENUINE_RESULT}\r\n",
    "in another header": f"X-Authentication-Results: {GENUINE_RESULT}\r\n",
    "of ARC": f"ARC-Authentication-Results: i=1; {GENUINE_RESULT}\r\n",
    "in a folded header": f"X-Header: x\r\n Authentication-Results: {GENUINE_RESULT}\r\n",
}

ENVELOPES: dict[str, dict[str, Any]] = {
    "of corp.test from another client": {"mail_from": "alice@corp.test", "peer": EVIL_CLIENT},
    "of another domain": EVIL_ENVELOPE,
    "of no sender, greeting as corp.test": {"mail_from": "", "peer": CLIENT, "helo": "corp.test"},
    "of two domains": {"mail_from": "alice@corp.test@evil.test", "peer": EVIL_CLIENT},
    "of a permitted server in front, by LMTP": {"mail_from": "alice@corp.test", "peer": CLIENT, "protocol": "lmtp"},
    "of a client without an address": {"mail_from": "alice@corp.test", "peer": "localhost"},
    "of a quoted sender": {"mail_from": '"alice@corp.test"@evil.test', "peer": EVIL_CLIENT},
    "of a domain without a record": {"mail_from": "alice@www.corp.test", "peer": CLIENT},
}


@pytest.mark.parametrize("sender", AMBIGUOUS_SENDERS.values(), ids=AMBIGUOUS_SENDERS)
@pytest.mark.parametrize("signer", ["evil.test", "corp.test"])
def test_from_header_with_several_readings_is_not_authenticated(sender: str, signer: str) -> None:
    verdict = check(sign(write_mail(sender), signer), **EVIL_ENVELOPE)
    assert not verdict.is_authenticated
    assert verdict.reason


@pytest.mark.parametrize("extra", EXTRA_HEADERS.values(), ids=EXTRA_HEADERS)
def test_second_from_header_is_not_authenticated(extra: str) -> None:
    for raw in (extra.encode() + signed_mail(), signed_mail().replace(b"\r\n\r\n", f"\r\n{extra}\r\n".encode(), 1)):
        assert not check(raw, **EVIL_ENVELOPE).is_authenticated
        assert check(raw, **EVIL_ENVELOPE).address is None


def test_from_header_that_the_mail_parser_reads_otherwise_is_refused() -> None:
    raw = signed_mail()
    for values in ([], ["evil@evil.test"], ["alice@corp.test", "alice@corp.test"]):
        with pytest.raises(ValueError, match="From header"):
            find_sender(raw, values)
    assert find_sender(raw, find_header_values(raw, "From")) == "alice@corp.test"


def test_from_header_behind_a_malformed_line_is_not_authenticated() -> None:
    raw = b"malformed line\r\n" + write_mail()
    assert not check(sign(write_mail(), "corp.test")[:-1] + b"x").is_authenticated
    assert not check(raw, mail_from="alice@corp.test", peer=CLIENT).is_authenticated
    assert parse_from(raw) == []


@pytest.mark.parametrize("raw", SIGNATURES.values(), ids=SIGNATURES)
def test_signature_that_proves_nothing_is_not_authenticated(raw: bytes) -> None:
    verdict = check(raw, **EVIL_ENVELOPE)
    assert verdict.address in ("alice@corp.test", "alice@one.co.uk", "alice@strict.test")
    assert not verdict.is_authenticated


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_result_that_proves_nothing_is_not_authenticated(result: str) -> None:
    raw = f"Authentication-Results: {result}\r\n".encode() + write_mail()
    assert not check(raw, protocol="lmtp", authserv_id=AUTHSERV_ID).is_authenticated


@pytest.mark.parametrize("header", RESULT_HEADERS.values(), ids=RESULT_HEADERS)
def test_result_that_is_not_in_the_topmost_header_is_not_authenticated(header: str) -> None:
    assert not check(header.encode() + write_mail(), protocol="lmtp", authserv_id=AUTHSERV_ID).is_authenticated


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_envelope_that_proves_nothing_is_not_authenticated(envelope: dict[str, Any]) -> None:
    assert not check(write_mail(), **envelope).is_authenticated


def test_subdomain_of_the_envelope_proves_nothing_under_a_strict_policy() -> None:
    raw = write_mail("alice@strict.test")
    assert not check(raw, mail_from="a@sub.strict.test", peer=EVIL_CLIENT).is_authenticated


@pytest.mark.parametrize("name", ["Alice", '"alice@corp.test"', "=?utf-8?q?alice=40corp.test?=", "corp.test"])
def test_name_of_another_person_does_not_change_the_address(name: str) -> None:
    verdict = check(sign(write_mail(f"{name} <evil@evil.test>"), "evil.test"), **EVIL_ENVELOPE)
    assert (verdict.address, verdict.is_authenticated) == ("evil@evil.test", True)


@pytest.mark.parametrize(
    "sender", ["\N{CYRILLIC SMALL LETTER A}lice@evil.test", "alice@c\N{CYRILLIC SMALL LETTER O}rp.test"]
)
def test_look_alike_of_other_letters_is_never_the_address_of_alice(sender: str) -> None:
    assert check(sign(write_mail(sender), "evil.test"), **EVIL_ENVELOPE).address != "alice@corp.test"


def test_there_are_at_least_sixty_forgeries() -> None:
    forgeries = [AMBIGUOUS_SENDERS, EXTRA_HEADERS, SIGNATURES, RESULTS, RESULT_HEADERS, ENVELOPES]
    assert sum(map(len, forgeries)) >= 60
