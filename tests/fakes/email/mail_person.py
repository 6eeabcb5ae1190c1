"""Person with a mailbox: writes, replies and forwards over real SMTP sessions, and reads what the bot sends.

    mail = await alice.write("deploy v1.4.0 to production", subject="Release")
    card = await bob.wait_for_mail("push_release_tag")
    await bob.reply(card, f"APPROVE {card.code}")

Mails that the bot does not accept now are sent again until it does, as a mail server does.
"""

import asyncio
import re
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from itertools import count

from tests.fakes.email.smtp_sink import SentMail, SmtpSink
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

RETRY_INTERVAL_SECONDS = 0.1
_CODE = re.compile(r"APPROVE (\w{5})|DENY (\w{5})|ANSWER (\w{5})")
_numbers = count(1)

Sign = Callable[[bytes], bytes]
Compose = Callable[[EmailMessage, str], EmailMessage]
"""Returns the reply of a mail program with a new text; sender and recipients are set afterwards."""


@dataclass(frozen=True)
class InboxMail:
    """A mail of the bot in a mailbox."""

    sent: SentMail
    message: EmailMessage

    @property
    def text(self) -> str:
        """Plain text of the mail."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content())

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        return "" if part is None else str(part.get_content())

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def code(self) -> str:
        """Code of the request that the mail shows first."""
        match = _CODE.search(self.text)
        assert match is not None, f"no code in:\n{self.text}"
        return next(filter(None, match.groups()))


@dataclass
class MailPerson:
    """A person with an address. `sign` adds the DKIM signature of their domain's mail server.

    `get_port` returns the port at which the bot receives mail now. Mails of the bot that the person has read are not
    returned again.
    """

    name: str
    address: str
    bot_address: str
    sink: SmtpSink
    get_port: Callable[[], int]
    sign: Sign
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _read: set[str] = field(default_factory=set)

    async def write(
        self, text: str, *, subject: str = "Request", to: str | None = None, headers: Mapping[str, str] | None = None
    ) -> EmailMessage:
        """Write a new mail to the bot."""
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = subject
        mail.set_content(text)
        return await self.send(mail, to or self.bot_address, headers)

    async def reply(
        self,
        to: InboxMail,
        text: str,
        *,
        compose: Compose | None = None,
        recipient: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> EmailMessage:
        """Reply to a mail of the bot, by default in plain text above the quoted mail."""
        mail = (compose or compose_plain_reply)(to.message, text)
        return await self.send(mail, recipient or reply_address(to), headers)

    async def forward(self, mail: InboxMail, text: str = "", *, to: str | None = None) -> EmailMessage:
        """Forward a mail to the bot as an attachment."""
        forwarded = EmailMessage(policy=SMTP)
        forwarded["Subject"] = f"Fwd: {mail.subject}"
        forwarded.set_content(text)
        forwarded.add_attachment(mail.message)
        return await self.send(forwarded, to or self.bot_address)

    async def auto_reply(self, to: InboxMail, text: str = "I am out of office.") -> EmailMessage:
        """Answer a mail of the bot as an out-of-office responder does (RFC 3834)."""
        mail = compose_plain_reply(to.message, text)
        mail["Auto-Submitted"] = "auto-replied"
        return await self.send(mail, reply_address(to), mail_from="")

    async def send(
        self, mail: EmailMessage, to: str, headers: Mapping[str, str] | None = None, *, mail_from: str | None = None
    ) -> EmailMessage:
        """Complete a mail as the person's mail server does, and deliver it."""
        defaults = {
            "From": f"{self.name} <{self.address}>",
            "To": to,
            "Date": format_datetime(self.now()),
            "Message-ID": f"<{next(_numbers)}.{self.now().timestamp()}@{self.address.partition('@')[2]}>",
        }
        for name, value in {**defaults, **(headers or {})}.items():
            del mail[name]
            mail[name] = value
        await self.deliver(self.sign(mail.as_bytes()), to, mail_from=mail_from)
        return mail

    async def deliver(self, raw: bytes, to: str, *, mail_from: str | None = None) -> None:
        """Send a mail until the bot accepts it. Raises SMTPException if it refuses the mail for good."""
        sender = self.address if mail_from is None else mail_from
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not await asyncio.to_thread(_try_to_send, self.get_port(), sender, to, raw):
                await _pause(RETRY_INTERVAL_SECONDS)

    async def wait_for_mail(self, *texts: str) -> InboxMail:
        """Wait for the next mail of the bot, in whose subject or text all these texts occur."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                seen = len(self.sink.mails)
                for mail in self.unread():
                    if all(text in f"{mail.subject}\n{mail.text}" for text in texts):
                        self._read.add(mail.message_id)
                        return mail
                await self.sink.wait_for_mails(seen + 1)

    def unread(self) -> list[InboxMail]:
        """Return the mails that the person has not read, each once even if it was delivered twice."""
        mails = [mail for mail in self.inbox() if mail.message_id not in self._read]
        return list({mail.message_id: mail for mail in mails}.values())

    def inbox(self) -> list[InboxMail]:
        """Return all mails that were delivered to the person, also those with the same Message-ID."""
        return [InboxMail(sent, sent.parse()) for sent in self.sink.mails if self.address in sent.recipients]

    def mark_all_as_read(self) -> None:
        self._read.update(mail.message_id for mail in self.inbox())


def reply_address(mail: InboxMail) -> str:
    """Return the address to which mail programs send a reply (RFC 5322 §3.6.2)."""
    return parseaddr(str(mail.message["Reply-To"] or mail.message["From"]))[1]


def compose_plain_reply(original: EmailMessage, text: str) -> EmailMessage:
    """Return a reply in plain text above the quoted text."""
    part = original.get_body(("plain",))
    quoted = "".join(f"> {line}\n" for line in (str(part.get_content()) if part is not None else "").splitlines())
    reply = EmailMessage(policy=SMTP)
    subject = str(original["Subject"])
    reply["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    set_thread_headers(reply, original)
    reply.set_content(
        f"{text}\n\nOn Mon, 2 Feb 2026 at 10:00, Handrail <{original['From'].addresses[0].addr_spec}> wrote:\n{quoted}"
    )
    return reply


def set_thread_headers(reply: EmailMessage, original: EmailMessage) -> None:
    """Set In-Reply-To and References (RFC 5322 §3.6.4)."""
    del reply["In-Reply-To"], reply["References"]
    reply["In-Reply-To"] = str(original["Message-ID"])
    reply["References"] = f"{original['References'] or ''} {original['Message-ID']}".strip()


def _try_to_send(port: int, sender: str, recipient: str, raw: bytes) -> bool:
    """Return whether the bot accepted the mail. Raises SMTPException for a permanent refusal."""
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="mail.test", timeout=WAIT_TIMEOUT_SECONDS) as client:
            client.sendmail(sender, [recipient], raw)
    except smtplib.SMTPRecipientsRefused as error:
        return _is_accepted_later(error.recipients[recipient][0], error)
    except smtplib.SMTPResponseException as error:
        return _is_accepted_later(error.smtp_code, error)
    except (OSError, smtplib.SMTPServerDisconnected):
        return False
    return True


def _is_accepted_later(code: int, error: smtplib.SMTPException) -> bool:
    if code >= 500:
        raise error
    return False


async def _pause(seconds: float) -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    await event.wait()
