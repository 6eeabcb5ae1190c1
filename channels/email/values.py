"""Values that the parts of the email channel exchange, and their JSON for the process that reads mail.

A mail is read by a child process with limits: the application receives a ParsedMail from it, never the mail itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

from pydantic import AwareDatetime, ValidationError

from agents.core.errors import Permanent, Retryable
from agents.core.messages import Quote
from agents.core.values import FrozenModel


class MailEnvelope(FrozenModel):
    """SMTP envelope of a mail (RFC 5321). An empty `mail_from` is the null sender of bounces."""

    mail_from: str
    recipients: tuple[str, ...]
    peer: str
    """IP address of the client."""
    helo: str
    protocol: Literal["smtp", "lmtp"]
    is_tls: bool = False

    def to_metadata(self) -> dict[str, str]:
        """Return the envelope as metadata of a stored input."""
        return {"envelope": self.model_dump_json()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Return the envelope of a stored input. Raises MailRejected."""
        try:
            return cls.model_validate_json(metadata["envelope"])
        except (KeyError, ValidationError) as error:
            raise MailRejected("the stored envelope cannot be read") from error


class SenderVerdict(FrozenModel):
    """Verdict on the sender of a mail: the From address, and whether DMARC or a trusted server authenticates it.

    `address` is None without exactly one valid From address. `reason` explains the verdict in a few words.
    """

    address: str | None
    is_authenticated: bool
    method: Literal["dkim", "spf", "trusted header", "none"]
    reason: str


class Attachment(FrozenModel):
    """An attachment, whose content is not kept beside the raw mail. `size` is in bytes after decoding."""

    name: str
    declared_type: str
    sniffed_type: str
    size: int
    sha256: str
    state: Literal["recorded", "blocked", "encrypted"]


class ParsedMail(FrozenModel):
    """A mail as the application needs it.

    `new_text` is what the sender wrote above the quote. `decision_lines` are the lines above the first sign of a quote,
    in which verdicts may stand. `headers` has the headers that show automatic mail, with names in lower case.
    `references` and `in_reply_to` are message ids with angle brackets, in their order.
    """

    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    subject: str = ""
    date: AwareDatetime | None = None
    body_sha256: str
    headers: dict[str, tuple[str, ...]] = {}
    new_text: str = ""
    decision_lines: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    sender: SenderVerdict


class MailRejected(Permanent):
    """A mail that cannot be read. The text gives the reason in lower-case words, without content of the mail."""

    code = "mail_rejected"


class DnsUnavailable(Retryable):
    """No DNS server answered in time, so the sender cannot be authenticated now."""

    code = "dns_unavailable"


SenderCheck = Callable[[bytes, Sequence[str], MailEnvelope], SenderVerdict]
"""Authenticate the sender of a raw mail, given the values of all its From headers. Raises DnsUnavailable."""
