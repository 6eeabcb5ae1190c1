"""Links in messages with which one person answers one request on a web page, once (ADR 0034).

A token is derived from the delivery that carries it, so that each attempt to send a message has the same link. The
database has only its hash.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Literal

from agents.core.events import RequestAnswered
from agents.core.messages import Assurance, Card
from agents.core.requests import Request
from agents.core.values import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH, Address
from bot.services.engine import CommitResult, ExtraWrites
from storage.answer_links import AnswerLink, find_link, insert_link, mark_link_used, record_code_attempt
from storage.database.database import Database
from storage.database.transactions import WriteBatch

ANSWER_PATH = "/a/"
"""Path of the pages, before the token."""

LINK_RETENTION = timedelta(days=30)
"""Time after the expiry of a request during which its link still shows how it ended."""

CodeCheck = Literal["right", "wrong", "malformed", "locked"]
"""Result of comparing a typed code with that of the request. A malformed one is not counted as an attempt."""


@dataclass(frozen=True)
class AnswerLinks:
    """Creates and finds the links. `public_url` has no slash at its end."""

    database: Database
    signing_key: bytes = field(repr=False)
    public_url: str

    async def create(
        self, card: Card, to: Address, person: Address, assurance: Assurance, delivery_key: str, now: datetime
    ) -> str:
        """Store the link of a card for a person and return its URL, the same for the same card and delivery.

        `assurance` is that of the channel that sends the card. Raises StoreUnavailable.
        """
        token = self._sign("token", delivery_key, to, person, card.request_id, card.digest)
        link = AnswerLink(
            token_hash=_hash_token(token),
            request_id=card.request_id,
            person=person,
            address=to,
            digest=card.digest,
            assurance=assurance,
            expires_at=(card.expires_at or now) + LINK_RETENTION,
        )
        await self.database.transaction(partial(insert_link, link=link))
        return f"{self.public_url}{ANSWER_PATH}{token}"

    async def find(self, token: str, now: datetime) -> AnswerLink | None:
        """Return the link with this token, None if it is unknown or has expired. Raises StoreUnavailable."""
        link = await self.database.read(partial(find_link, token_hash=_hash_token(token)))
        return link if link is not None and now < link.expires_at else None

    async def check_code(self, link: AnswerLink, request: Request, code: str) -> CodeCheck:
        """Compare a typed code with that of the request, and count it if it is wrong. Raises StoreUnavailable."""
        typed = code.strip().upper()
        if len(typed) != REQUEST_CODE_LENGTH or not set(typed) <= set(REQUEST_CODE_ALPHABET):
            return "malformed"
        is_right = hmac.compare_digest(typed, request.code)
        count = partial(record_code_attempt, token_hash=link.token_hash, is_right=is_right)
        if not await self.database.transaction(count):
            return "locked"
        return "right" if is_right else "wrong"

    def mark_used(self, link: AnswerLink) -> ExtraWrites:
        """Return the write that marks the link as used by an answer that counts; any other answer leaves it usable.

        The commit raises AnswerLinkUsed if the link was used meanwhile.
        """

        def write(writes: WriteBatch, commit: CommitResult) -> None:
            counted = (e for e in commit.events if isinstance(e, RequestAnswered) and e.answer.counted)
            if (answered := next(counted, None)) is not None:
                mark_link_used(writes, link.token_hash, answered.at)

        return write

    def form_token(self, link: AnswerLink, nonce: str) -> str:
        """Return the token that a form for this link must carry. `nonce` is in a cookie of the same browser."""
        return self._sign("form", link.token_hash, nonce)

    def _sign(self, *signed: str) -> str:
        """Return a MAC of 256 bits. Its input is JSON, so that different fields cannot yield the same bytes."""
        text = json.dumps(["handrail.answer_link", 1, *signed])
        return urlsafe_b64encode(hmac.digest(self.signing_key, text.encode(), "sha256")).rstrip(b"=").decode()


def _hash_token(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
