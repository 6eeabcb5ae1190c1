"""Test harness: mailboxes of people on a real SMTP server, their DKIM keys, and a DNS server with their records.

async with mail_world(lambda: port) as world:
    await world.alice.write("deploy v1.4.0 to production")
    card = await world.bob.wait_for_mail("push_release_tag")
    await world.bob.reply(card, f"APPROVE {card.code}")
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from tests.fakes.email.dkim_keys import key_records, sign
from tests.fakes.email.dns_server import DnsServer, running_dns_server
from tests.fakes.email.mail_person import MailPerson, Sign
from tests.fakes.email.smtp_sink import SmtpSink, running_sink
from tests.harness.people import EMAIL_ADDRESSES, EMAIL_DOMAIN, PERSON_KEYS

BOT_ADDRESS = "bot@handrail.test"
EVIL_DOMAIN = "evil.test"


def keep_unsigned(mail: bytes) -> bytes:
    """Return a mail as a server without DKIM sends it."""
    return mail


@dataclass
class MailWorld:
    """Mail server of all people, DNS, and the people. Eve's domain is another one; she is not configured."""

    sink: SmtpSink
    dns: DnsServer
    alice: MailPerson
    bob: MailPerson
    carol: MailPerson
    eve: MailPerson
    get_port: Callable[[], int]
    now: Callable[[], datetime]

    @property
    def people(self) -> tuple[MailPerson, ...]:
        return self.alice, self.bob, self.carol, self.eve

    def impostor_of(self, person: MailPerson, sign_mail: Sign = keep_unsigned) -> MailPerson:
        """Return a person who writes with the address of another, without the signature of the other's domain."""
        return MailPerson(person.name, person.address, BOT_ADDRESS, self.sink, self.get_port, sign_mail, self.now)


@asynccontextmanager
async def mail_world(
    get_port: Callable[[], int], now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[MailWorld]:
    """Run the mail server and the DNS server. `get_port` returns the port at which the bot receives mail."""
    zones = key_records(EMAIL_DOMAIN, EVIL_DOMAIN)
    zones |= {(f"_dmarc.{domain}", "TXT"): ["v=DMARC1; p=reject"] for domain in (EMAIL_DOMAIN, EVIL_DOMAIN)}
    with running_dns_server(zones) as dns:
        async with running_sink() as sink:
            names = {key: key.capitalize() for key in PERSON_KEYS}
            addresses = EMAIL_ADDRESSES | {"eve": f"eve@{EVIL_DOMAIN}"}
            people = {
                key: MailPerson(
                    name=names.get(key, "Eve"),
                    address=address,
                    bot_address=BOT_ADDRESS,
                    sink=sink,
                    get_port=get_port,
                    sign=partial(sign, domain=address.partition("@")[2]),
                    now=now,
                )
                for key, address in addresses.items()
            }
            yield MailWorld(sink, dns, **people, get_port=get_port, now=now)
