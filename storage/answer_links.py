"""Links in messages to the page of a request, found by the SHA-256 of their token (ADR 0034).

A person who opens a link and is not signed in types the request's code, which only the message has, with the answer.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, text

from agents.core.errors import Conflict
from agents.core.messages import Assurance
from agents.core.values import Address
from storage.database.tables import AnswerLinkRow, UpdateRow, UtcTime
from storage.database.transactions import WriteBatch

_link = AnswerLinkRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_FAILED_CODES = 5
"""Wrong request codes, typed on the page of a link, after which the link is locked."""

_INSERT = text(
    "INSERT INTO answer_link (token_hash, request_id, person, address, digest, assurance, expires_at, failed_codes) "
    "VALUES (:token_hash, :request_id, :person, :address, :digest, :assurance, :expires_at, 0) "
    "ON CONFLICT (token_hash) DO NOTHING"
).bindparams(bindparam("expires_at", type_=UtcTime))
_SELECT = select(_link).where(_link.c.token_hash == bindparam("token_hash"))
_COUNT_CODE = text(
    "UPDATE answer_link SET failed_codes = failed_codes + :failed "
    "WHERE token_hash = :token_hash AND used_at IS NULL AND failed_codes < :allowed"
)
_MARK_USED = UpdateRow("answer_link", "used_at = {used_at}", "token_hash = {token_hash} AND used_at IS NULL")


class AnswerLinkUsed(Conflict):
    """This link was used already; it works once."""

    code = "link_used"


@dataclass(frozen=True)
class AnswerLink:
    """A link to a request, sent to the `address` of a `person`. `digest` is the hash of the request's content then.

    `assurance` is that of the channel that carried it. `failed_codes` is the number of wrong codes typed so far.
    """

    token_hash: str
    request_id: str
    person: Address
    address: Address
    digest: str
    assurance: Assurance
    expires_at: datetime
    used_at: datetime | None = None
    failed_codes: int = 0

    @property
    def is_locked(self) -> bool:
        return self.failed_codes >= MAX_FAILED_CODES


def insert_link(connection: Connection, link: AnswerLink) -> None:
    """Insert a link. One with the same token stays as it is."""
    row = {
        "token_hash": link.token_hash,
        "request_id": link.request_id,
        "person": link.person,
        "address": link.address,
        "digest": link.digest,
        "assurance": link.assurance.value,
        "expires_at": link.expires_at,
    }
    connection.execute(_INSERT, row)


def find_link(connection: Connection, token_hash: str) -> AnswerLink | None:
    """Return the link whose token has this hash, or None."""
    row = connection.execute(_SELECT, {"token_hash": token_hash}).mappings().first()
    if row is None:
        return None
    typed = {"person": Address(row["person"]), "address": Address(row["address"])}
    return AnswerLink(**{**row, **typed, "assurance": Assurance(row["assurance"])})


def record_code_attempt(connection: Connection, token_hash: str, *, is_right: bool) -> bool:
    """Count a typed request code if it is wrong. Return False if the link is used or locked: it accepts no code then.

    It is one statement, so that no more than MAX_FAILED_CODES guesses count, however many arrive at the same time.
    """
    values = {"token_hash": token_hash, "failed": int(not is_right), "allowed": MAX_FAILED_CODES}
    return connection.execute(_COUNT_CODE, values).rowcount == 1


def mark_link_used(writes: WriteBatch, token_hash: str, at: datetime) -> None:
    """Mark a link as used. The commit raises AnswerLinkUsed if another one did so before."""
    writes.add(_MARK_USED, [{"token_hash": token_hash, "used_at": at}], conflict_error=AnswerLinkUsed)


def delete_expired_links(connection: Connection, now: datetime) -> None:
    """Delete the links that have expired."""
    connection.execute(delete(_link).where(_link.c.expires_at < now))
