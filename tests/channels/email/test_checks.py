"""Findings of `handrail doctor` about email."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from channels.abilities import Finding
from channels.email.checks import check_email
from channels.email.config import EmailSettings, ListenAddress
from tests.fakes.email.dns_server import NO_ANSWER, ZoneResolver

RELAY = SecretStr("smtp://relay.test")
NO_SERVER = {("corp.test", "TXT"): (NO_ANSWER,)}
ALL_RECORDS = {
    ("corp.test", "MX"): ("10 mail.corp.test.",),
    ("corp.test", "TXT"): ("google-site-verification=1", "v=spf1 mx -all"),
    ("_dmarc.corp.test", "TXT"): ("v=DMARC1; p=reject",),
}


def _settings(**fields: Any) -> EmailSettings:
    return EmailSettings(secret_key=SecretStr("k" * 32), **fields)


def _find(resolver: ZoneResolver | None = None, **fields: Any) -> list[Finding]:
    return list(check_email(_settings(**fields), resolver or ZoneResolver(NO_SERVER)))


def test_defaults_are_fine_and_say_where_mail_goes() -> None:
    findings = _find()
    assert {finding.state for finding in findings} == {"ok"}
    texts = " ".join(finding.message for finding in findings)
    assert "mail to bot@localhost arrives by SMTP at 127.0.0.1:2525" in texts
    assert ".handrail/outbox" in texts


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email_authserv_id": "mx.corp.test"}, "EMAIL_AUTHSERV_ID has no effect"),
        ({"lmtp_listen": ListenAddress(host="192.0.2.25", port=2424)}, "can forge senders"),
        ({"smtp_listen": ListenAddress(host="::", port=25)}, "[::]:25 without TLS"),
        ({"environment": "production", "email_address": "bot@corp.test"}, "reach no person without SMTP_URL"),
    ],
)
def test_questionable_setting_is_a_warning(fields: dict[str, Any], text: str) -> None:
    [warning] = [finding for finding in _find(**fields) if finding.state == "warning"]
    assert text in warning.message
    assert warning.fix


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email_address": "a-local-part-that-is-long@corp.test"}, "EMAIL_ADDRESS"),
        ({"smtp_tls_cert": Path("missing.pem")}, "SMTP_TLS_KEY is missing"),
        ({"smtp_url": RELAY}, "replies cannot reach bot@localhost"),
    ],
)
def test_setting_that_cannot_work_is_a_problem(fields: dict[str, Any], text: str) -> None:
    [problem] = [finding for finding in _find(**fields) if finding.state == "problem"]
    assert text in problem.message


def test_dns_records_of_the_own_domain_are_checked() -> None:
    findings = _find(ZoneResolver(ALL_RECORDS), smtp_url=RELAY, email_address="bot@corp.test")
    assert findings[-1].message == "corp.test has MX, SPF and DMARC records"


@pytest.mark.parametrize(
    ("missing", "name"),
    [(("corp.test", "MX"), "MX"), (("corp.test", "TXT"), "SPF"), (("_dmarc.corp.test", "TXT"), "DMARC")],
)
def test_missing_dns_record_is_a_warning(missing: tuple[str, str], name: str) -> None:
    records = {key: value for key, value in ALL_RECORDS.items() if key != missing}
    [warning] = [
        finding
        for finding in _find(ZoneResolver(records), smtp_url=RELAY, email_address="bot@corp.test")
        if finding.state == "warning"
    ]
    assert warning.message == f"corp.test has no {name} record"


def test_unavailable_dns_is_a_warning() -> None:
    findings = _find(ZoneResolver(NO_SERVER), smtp_url=RELAY, email_address="bot@corp.test")
    assert findings[-1].message.startswith("no DNS server answered")
