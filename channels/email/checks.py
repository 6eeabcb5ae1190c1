"""Checks of `handrail doctor` for email: its settings, and the DNS records of its domain if it sends mail."""

from collections.abc import Iterator
from ipaddress import ip_address

from agents.core.errors import ConfigurationError
from channels.abilities import Finding, FindingState
from channels.email.config import EmailSettings, ListenAddress
from channels.email.listener import create_server_tls_context
from channels.email.plugin import OUTBOX_FOLDER, create_tokens
from channels.email.resolver import DnsResolver, Resolver
from channels.email.values import DnsUnavailable

_CHECK_NAME = "email"


def check_email(settings: EmailSettings, resolver: Resolver | None = None) -> Iterator[Finding]:
    """Yield findings about email without sending anything. DNS is asked only if SMTP_URL is set."""
    try:
        create_tokens(settings)
        create_server_tls_context(settings)
    except ConfigurationError as error:
        yield _finding("problem", str(error), "correct the setting; Handrail does not start with it")
        return
    yield _check_inbound(settings)
    yield from _check_listeners(settings)
    yield from _check_outbound(settings)
    if settings.smtp_url is not None and not _is_local_domain(settings):
        yield from _check_dns(settings, resolver or DnsResolver(settings.dns_resolver))


def _check_inbound(settings: EmailSettings) -> Finding:
    listeners = {"SMTP": settings.smtp_listen, "LMTP": settings.lmtp_listen}
    described = [f"{name} at {_format(address)}" for name, address in listeners.items() if address is not None]
    if not described:
        message = "mail is sent and not received: SMTP_LISTEN and LMTP_LISTEN are empty"
        return _finding("ok", message, "set SMTP_LISTEN or LMTP_LISTEN to receive mail")
    tls = ", with STARTTLS" if settings.smtp_tls_cert is not None and settings.smtp_listen is not None else ""
    return _finding("ok", f"mail to {settings.email_address} arrives by {' and '.join(described)}{tls}")


def _check_listeners(settings: EmailSettings) -> Iterator[Finding]:
    if settings.email_authserv_id is not None and settings.lmtp_listen is None:
        message = "EMAIL_AUTHSERV_ID has no effect: only mail that arrives by LMTP comes from a trusted server"
        yield _finding("warning", message, "set LMTP_LISTEN and let the server deliver there, or unset it")
    if settings.lmtp_listen is not None and not _is_loopback(settings.lmtp_listen):
        message = f"LMTP_LISTEN is {_format(settings.lmtp_listen)}: any host that reaches it can forge senders"
        yield _finding("warning", message, "listen on 127.0.0.1, or let a firewall admit only your mail server")
    if settings.smtp_listen is not None and not _is_loopback(settings.smtp_listen) and settings.smtp_tls_cert is None:
        message = f"SMTP_LISTEN is {_format(settings.smtp_listen)} without TLS: mail arrives unencrypted"
        yield _finding("warning", message, "set SMTP_TLS_CERT and SMTP_TLS_KEY")


def _check_outbound(settings: EmailSettings) -> Iterator[Finding]:
    if settings.smtp_url is None:
        message = f"mail is written to {OUTBOX_FOLDER}, because SMTP_URL is not set"
        yield _finding("ok", message, "set SMTP_URL to the server that sends your mail")
        if settings.environment == "production" and not _is_local_domain(settings):
            yield _finding("warning", "approval mails reach no person without SMTP_URL", "set SMTP_URL")
    elif _is_local_domain(settings):
        message = f"replies cannot reach {settings.email_address}"
        yield _finding("problem", message, "set EMAIL_ADDRESS to an address whose mail arrives here")


def _check_dns(settings: EmailSettings, resolver: Resolver) -> Iterator[Finding]:
    domain = settings.email_address.rpartition("@")[2]
    try:
        yield from _check_records(domain, resolver)
    except DnsUnavailable:
        message = "no DNS server answered, so senders cannot be authenticated"
        yield _finding("warning", message, "set DNS_RESOLVER to a server that answers, as 127.0.0.1:53")


def _check_records(domain: str, resolver: Resolver) -> Iterator[Finding]:
    missing = [name for name, exists in _find_records(domain, resolver).items() if not exists]
    if missing:
        message = f"{domain} has no {' and no '.join(missing)} record"
        yield _finding("warning", message, "add it to the DNS; docs/howto/email.md shows the records")
    else:
        yield _finding("ok", f"{domain} has MX, SPF and DMARC records")


def _find_records(domain: str, resolver: Resolver) -> dict[str, bool]:
    texts, policies = resolver.resolve(domain, "TXT"), resolver.resolve(f"_dmarc.{domain}", "TXT")
    return {
        "MX": bool(resolver.resolve(domain, "MX")),
        "SPF": any(text.lower().startswith("v=spf1") for text in texts),
        "DMARC": any(text.lower().startswith("v=dmarc1") for text in policies),
    }


def _is_local_domain(settings: EmailSettings) -> bool:
    return settings.email_address.endswith("@localhost")


def _is_loopback(address: ListenAddress) -> bool:
    try:
        return ip_address(address.host.partition("%")[0]).is_loopback
    except ValueError:
        return address.host == "localhost"


def _format(address: ListenAddress) -> str:
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _finding(state: FindingState, message: str, fix: str | None = None) -> Finding:
    return Finding(name=_CHECK_NAME, state=state, message=message, fix=fix)
