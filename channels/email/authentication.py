"""Authentication of the sender of a mail: the address of its From header, and whether that is proved.

An address is proved by a trusted mail server in front, or by a DKIM signature or an SPF record of an aligned domain
(RFC 7489). Nothing that a sender writes proves anything, and a From header that mail programs could read in different
ways is never proved.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

from channels.email.addresses import normalize_address
from channels.email.authentication_results import find_dmarc_pass
from channels.email.config import EmailSettings
from channels.email.dkim_check import check_signatures
from channels.email.dmarc import DmarcPolicy, find_policy, is_aligned
from channels.email.header_fields import find_header_values
from channels.email.resolver import DnsResolver, Resolver
from channels.email.spf_check import check_spf
from channels.email.values import DnsUnavailable, MailEnvelope, SenderCheck, SenderVerdict

_MAX_FROM_LENGTH = 1_000  # characters
_SINGLE_FIELDS = (
    *("Date", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"),
)
"""Fields that a mail has at most once (RFC 5322 §3.6, RFC 2045).

A signature covers the lowest field of a name and mail programs read the highest, so a second one changes a signed mail.
"""
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNQUOTED_NAME = re.compile(r'[^"<>@,:;()\[\]\\]*(?:\([^"<>@,:;()\[\]\\]*\)[^"<>@,:;()\[\]\\]*)?')


def create_sender_check(settings: EmailSettings) -> SenderCheck:
    """Return the check of senders for these settings. It asks DNS servers, with a limit for each mail."""
    return partial(
        _check_sender, settings.email_authserv_id, create_resolver=lambda: DnsResolver(settings.dns_resolver)
    )


def _check_sender(
    authserv_id: str | None,
    raw: bytes,
    from_values: Sequence[str],
    envelope: MailEnvelope,
    *,
    create_resolver: Callable[[], Resolver],
) -> SenderVerdict:
    try:
        address = find_sender(raw, from_values)
    except ValueError as error:
        return SenderVerdict(address=None, is_authenticated=False, method="none", reason=str(error))
    if any(len(find_header_values(raw, name)) > 1 for name in _SINGLE_FIELDS):
        return _not_authenticated(address, "a header that a mail has once is repeated")
    domain = address.partition("@")[2]
    if authserv_id and envelope.protocol == "lmtp":
        return _check_trusted_header(raw, address, authserv_id)
    resolver = create_resolver()
    policy = find_policy(domain, resolver)
    return _check_dkim_and_spf(raw, address, envelope, policy, resolver)


def find_sender(raw: bytes, from_values: Sequence[str]) -> str:
    """Return the normalized address of the only mailbox of the only From header.

    `from_values` are the From headers as the mail parser found them. Raises ValueError with the reason if the raw mail
    has another number of them, or if the header is not exactly one mailbox, `NAME <ADDRESS>` or `ADDRESS`.
    """
    values = find_header_values(raw, "From")
    if len(values) != 1 or len(from_values) != 1:
        raise ValueError("not exactly one From header")
    text = _mailbox_address(values[0])
    if _ascii_characters(text) not in _ascii_characters(from_values[0]):
        raise ValueError("the From header can be read in different ways")
    try:
        return normalize_address(text)
    except ValueError:
        raise ValueError("the From header has no valid address") from None


def _ascii_characters(text: str) -> str:
    """Return the text without other characters, for which mail parsers have different replacements."""
    return text.encode("ascii", "ignore").decode()


def _mailbox_address(value: str) -> str:
    """Return the address of one mailbox (RFC 5322 §3.4). Raises ValueError for a list, a group or another text."""
    if len(value) > _MAX_FROM_LENGTH or not value.replace("\t", " ").isprintable():
        raise ValueError("the From header is malformed")
    if not value.endswith(">"):
        return value
    name, bracket, address = value.removesuffix(">").rpartition("<")
    if not bracket or not (_QUOTED_NAME.fullmatch(name.strip()) or _UNQUOTED_NAME.fullmatch(name)):
        raise ValueError("the From header is not exactly one mailbox")
    return address


def _check_trusted_header(raw: bytes, address: str, authserv_id: str) -> SenderVerdict:
    if find_dmarc_pass(raw, authserv_id) != address.partition("@")[2]:
        return _not_authenticated(address, "the mail server in front does not report dmarc=pass for this domain")
    return SenderVerdict(
        address=address, is_authenticated=True, method="trusted header", reason="dmarc=pass of the mail server in front"
    )


def _check_dkim_and_spf(
    raw: bytes, address: str, envelope: MailEnvelope, policy: DmarcPolicy, resolver: Resolver
) -> SenderVerdict:
    """Return the verdict. Raises DnsUnavailable if an answer of a DNS server could change it."""
    domain = address.partition("@")[2]
    signatures = check_signatures(raw, resolver, lambda signer: is_aligned(signer, domain, policy.adkim))
    if any(signature.is_valid for signature in signatures):
        return SenderVerdict(address=address, is_authenticated=True, method="dkim", reason="an aligned signature")
    if _is_client_known(envelope) and _may_align(envelope.mail_from, domain, policy) and check_spf(envelope, resolver):
        return SenderVerdict(address=address, is_authenticated=True, method="spf", reason="an aligned SPF record")
    if any(signature.is_unknown for signature in signatures):
        raise DnsUnavailable
    return _not_authenticated(address, "no valid signature and no SPF record of an aligned domain")


def _is_client_known(envelope: MailEnvelope) -> bool:
    """Return whether the peer is the client whose address SPF is about, and not a mail server in front."""
    return envelope.protocol == "smtp"


def _may_align(mail_from: str, domain: str, policy: DmarcPolicy) -> bool:
    try:
        return is_aligned(normalize_address(mail_from).partition("@")[2], domain, policy.aspf)
    except ValueError:
        return False


def _not_authenticated(address: str, reason: str) -> SenderVerdict:
    return SenderVerdict(address=address, is_authenticated=False, method="none", reason=reason)
