"""Mails of alice@corp.test, the DNS records of her world, and the check of senders with these records."""

from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.policy import default

from channels.email.authentication import _check_sender
from channels.email.values import MailEnvelope, SenderVerdict
from tests.fakes.email.dkim_keys import SHORT_KEY, key_records, make_key, sign
from tests.fakes.email.dns_server import ZoneResolver

AUTHSERV_ID = "mx.bot.test"
CLIENT, EVIL_CLIENT = "192.0.2.10", "203.0.113.66"
ZONES: Mapping[tuple[str, str], Sequence[str]] = {
    **key_records(
        "corp.test", "mail.corp.test", "esp.test", "evil.test", "strict.test", "sub.strict.test", "evil.corp.test"
    ),
    ("corp.test", "TXT"): [f"v=spf1 ip4:{CLIENT} -all"],
    ("mail.corp.test", "TXT"): [f"v=spf1 ip4:{CLIENT} -all"],
    ("evil.test", "TXT"): [f"v=spf1 ip4:{EVIL_CLIENT} -all"],
    ("strict.test", "TXT"): [f"v=spf1 ip4:{CLIENT} -all"],
    ("sub.strict.test", "TXT"): [f"v=spf1 ip4:{EVIL_CLIENT} -all"],
    ("_dmarc.corp.test", "TXT"): ["v=DMARC1; p=reject"],
    ("_dmarc.strict.test", "TXT"): ["v=DMARC1; p=reject; adkim=s; aspf=s"],
    ("old._domainkey.corp.test", "TXT"): ["v=DKIM1; k=rsa; p="],
    ("short._domainkey.corp.test", "TXT"): [SHORT_KEY.record],
    ("jobs._domainkey.corp.test", "TXT"): [make_key("corp.test").record.replace("k=rsa", "k=rsa; s=other")],
    ("curve._domainkey.corp.test", "TXT"): ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    ("huge._domainkey.corp.test", "TXT"): [make_key("corp.test").record + "; n=" + "x" * 3_000],
    ("two._domainkey.corp.test", "TXT"): [make_key("corp.test").record, make_key("evil.test").record],
}


def write_mail(sender: str = "Alice <alice@corp.test>", *, extra: str = "", body: str = "APPROVE K7P2Q\r\n") -> bytes:
    """Return a mail with this From header and with more header lines on top, each with its end of line."""
    headers = {
        "From": sender,
        "To": "bot@bot.test",
        "Subject": "Re: Approval",
        "Date": "Mon, 30 Nov 2026 10:00:00 +0000",
        "Message-ID": "<1@corp.test>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{extra}{lines}\r\n{body}".encode("utf-8", "surrogateescape")


def signed_mail(domain: str = "corp.test", **changes: str) -> bytes:
    return sign(write_mail(**changes), domain)


def check(
    raw: bytes,
    *,
    mail_from: str = "alice@corp.test",
    peer: str = EVIL_CLIENT,
    protocol: str = "smtp",
    authserv_id: str | None = None,
    zones: Mapping[tuple[str, str], Sequence[str]] = ZONES,
    helo: str = "mail.corp.test",
) -> SenderVerdict:
    """Return the verdict on a mail that this client delivered, with its From headers as Python's parser finds them."""
    envelope = MailEnvelope(mail_from=mail_from, recipients=("bot@bot.test",), peer=peer, helo=helo, protocol=protocol)
    return _check_sender(authserv_id, raw, parse_from(raw), envelope, create_resolver=lambda: ZoneResolver(zones))


def parse_from(raw: bytes) -> list[str]:
    headers = message_from_bytes(raw, policy=default.clone(header_factory=lambda _, value: value)).get_all("From")
    return [str(value) for value in headers or []]
