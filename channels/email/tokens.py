"""Signed tokens in plus-addresses and Message-IDs, which say what a mail belongs to.

A token is a letter for its kind, an id, up to eight more characters and a MAC of 80 bits. It consists of lower-case
letters, digits, `_` and `-`, since mail servers may change the case of a local part, and has at most 43 characters, so
that a local part of 20 characters, `+` and a token have the 64 octets of RFC 5321 §4.5.3.1.1.

| letter | place | meaning |
|---|---|---|
| t | Reply-To | a thread |
| r | Reply-To | a request, as the card with this digest showed it to this recipient |
| p | Reply-To | a recipient, of a mail with several requests |
| m | Message-ID | a message of a thread |
| b | MAIL FROM | the return path of that message (variable envelope return path) |
"""

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps

from channels.email.addresses import normalize_address

MAX_LOCAL_PART_LENGTH = 20
"""Maximum length of the local part of the bot's address, in characters, so that tokens fit behind it."""

_MAC_LENGTH = 16
_THREAD_PREFIX, _REQUEST_PREFIX = "thr_", "req_"
_ID = re.compile(r"[a-z0-9_-]{1,18}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_THREAD_TOKEN = re.compile(r"t(?P<id>[a-z0-9_-]{1,18})(?P<mac>[a-z2-7]{16})", re.ASCII)
_REQUEST_TOKEN = re.compile(r"r(?P<id>[a-z0-9_-]{1,18})(?P<digest8>[0-9a-f]{8})(?P<mac>[a-z2-7]{16})", re.ASCII)
_PERSON_TOKEN = re.compile(r"p(?P<address8>[a-z2-7]{8})(?P<mac>[a-z2-7]{16})", re.ASCII)
_MESSAGE_TOKEN = re.compile(
    r"(?P<kind>[mb])(?P<id>[a-z0-9_-]{0,18})(?P<key8>[a-z2-7]{8})(?P<mac>[a-z2-7]{16})", re.ASCII
)


@dataclass(frozen=True)
class ThreadToken:
    """Token of a thread, whose signature has been verified."""

    thread_id: str


@dataclass(frozen=True)
class RequestToken:
    """Token of a request. Only `MailTokens.is_for` verifies its signature, since that includes the recipient."""

    request_id: str
    digest8: str
    mac: str


@dataclass(frozen=True)
class PersonToken:
    """Token of a recipient. Only `MailTokens.is_for` verifies its signature, since that includes the recipient."""

    address8: str
    mac: str


@dataclass(frozen=True)
class MessageToken:
    """Token of a message that Handrail sent, whose signature has been verified.

    `thread_id` is empty for the reply to an input, which belongs to no thread.
    """

    thread_id: str
    key8: str


Token = ThreadToken | RequestToken | PersonToken | MessageToken


@dataclass(frozen=True)
class MailTokens:
    """Makes and reads the tokens of one bot address. Raises ValueError if the address cannot carry tokens."""

    address: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", normalize_address(self.address))
        if len(self._local.encode()) > MAX_LOCAL_PART_LENGTH:
            raise ValueError(f"the local part may have at most {MAX_LOCAL_PART_LENGTH} characters")
        if not self.key:
            raise ValueError("the key is empty")

    def thread_address(self, thread_id: str) -> str:
        """Return the reply address of a thread. Raises ValueError for an id that does not fit."""
        short = _short_id(thread_id, _THREAD_PREFIX)
        return self._plus_address(f"t{short}{self._mac('t', short)}")

    def request_address(self, request_id: str, digest: str, recipient: str) -> str:
        """Return the reply address for a card that shows a request to a recipient.

        Raises ValueError for an id, a digest or an address of another form.
        """
        short = _short_id(request_id, _REQUEST_PREFIX)
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a digest has 8 to 64 hex digits")
        return self._plus_address(
            f"r{short}{digest[:8]}{self._mac('r', short, digest[:8], normalize_address(recipient))}"
        )

    def person_address(self, recipient: str) -> str:
        """Return the reply address for a mail that shows a recipient several requests. Raises ValueError."""
        address8 = self._address8(recipient)
        return self._plus_address(f"p{address8}{self._mac('p', address8, normalize_address(recipient))}")

    def message_id(self, delivery_key: str) -> str:
        """Return the Message-ID for a delivery, `THREAD:KEY`. It is the same at each attempt. Raises ValueError."""
        return self.message_id_of(_message_token(delivery_key))

    def return_path(self, delivery_key: str) -> str:
        """Return the address to which bounces of a delivery, `THREAD:KEY`, are sent. Raises ValueError."""
        return self._plus_address(self._message_payload("b", _message_token(delivery_key)))

    def message_id_of(self, token: MessageToken) -> str:
        """Return the Message-ID of the message to which a return path belongs."""
        return f"<{self._message_payload('m', token)}@{self._domain}>"

    def accepts(self, recipient: str) -> bool:
        """Return whether mail to this recipient is for the bot: its address, without a token or with a possible one.

        The signatures of requests and recipients include the address of the sender, which is not known yet.
        """
        try:
            return normalize_address(recipient) == self.address or self.parse_recipient(recipient) is not None
        except ValueError:
            return False

    def parse_recipient(self, recipient: str) -> Token | None:
        """Return the token in an address of the bot; None without one, and for one with a wrong signature."""
        try:
            local, _, domain = normalize_address(recipient).partition("@")
        except ValueError:
            return None
        if domain != self._domain or not local.startswith(f"{self._local}+"):
            return None
        text = local[len(self._local) + 1 :]
        return self._parse_thread(text) or _parse_unverified(text) or self._parse_message("b", text)

    def parse_message_id(self, text: str) -> MessageToken | None:
        """Return the token in a Message-ID that Handrail made, with or without angle brackets, else None."""
        payload, _, domain = text.strip().removeprefix("<").removesuffix(">").lower().rpartition("@")
        return self._parse_message("m", payload) if domain == self._domain else None

    def is_for(self, token: Token, address: str) -> bool:
        """Return whether a token of a request or of a recipient was made for this address."""
        try:
            recipient = normalize_address(address)
        except ValueError:
            return False
        match token:
            case RequestToken():
                short = token.request_id.removeprefix(_REQUEST_PREFIX)
                return self._is_signed(token.mac, "r", short, token.digest8, recipient)
            case PersonToken():
                return self._is_signed(token.mac, "p", token.address8, recipient)
            case _:
                return False

    @property
    def _local(self) -> str:
        return self.address.partition("@")[0]

    @property
    def _domain(self) -> str:
        return self.address.partition("@")[2]

    def _plus_address(self, token: str) -> str:
        return f"{self._local}+{token}@{self._domain}"

    def _address8(self, recipient: str) -> str:
        return self._mac("address", normalize_address(recipient))[:8]

    def _parse_thread(self, text: str) -> ThreadToken | None:
        match = _THREAD_TOKEN.fullmatch(text)
        if match is None or not self._is_signed(match["mac"], "t", match["id"]):
            return None
        return ThreadToken(_THREAD_PREFIX + match["id"])

    def _parse_message(self, kind: str, text: str) -> MessageToken | None:
        match = _MESSAGE_TOKEN.fullmatch(text)
        if match is None or match["kind"] != kind:
            return None
        if not self._is_signed(match["mac"], kind, match["id"], match["key8"]):
            return None
        return MessageToken(match["id"] and _THREAD_PREFIX + match["id"], match["key8"])

    def _message_payload(self, kind: str, token: MessageToken) -> str:
        short = token.thread_id and _short_id(token.thread_id, _THREAD_PREFIX)
        return f"{kind}{short}{token.key8}{self._mac(kind, short, token.key8)}"

    def _is_signed(self, mac: str, *signed: str) -> bool:
        return hmac.compare_digest(self._mac(*signed), mac)

    def _mac(self, *signed: str) -> str:
        """Return a MAC of 80 bits. Its input is JSON, so that different fields cannot yield the same bytes."""
        text = dumps(["handrail.email.token", 1, self.address, *signed])
        return _to_base32(hmac.new(self.key, text.encode(), sha256).digest(), _MAC_LENGTH)


def _parse_unverified(text: str) -> RequestToken | PersonToken | None:
    if match := _REQUEST_TOKEN.fullmatch(text):
        return RequestToken(_REQUEST_PREFIX + match["id"], match["digest8"], match["mac"])
    if match := _PERSON_TOKEN.fullmatch(text):
        return PersonToken(match["address8"], match["mac"])
    return None


def _message_token(delivery_key: str) -> MessageToken:
    """Return the token of a delivery. Its 40 bits of the key need to differ only within a thread or for a recipient."""
    thread_id, _, key = delivery_key.partition(":")
    if not key or not thread_id:
        raise ValueError("a delivery key is THREAD:KEY or input:ID")
    key8 = _to_base32(sha256(delivery_key.encode()).digest(), 8)
    return MessageToken("" if thread_id == "input" else thread_id, key8)


def _short_id(identifier: str, prefix: str) -> str:
    short = identifier.removeprefix(prefix)
    if short == identifier or not _ID.fullmatch(short):
        raise ValueError(f"an id is {prefix} and at most 18 lower-case letters, digits, _ and -")
    return short


def _to_base32(digest: bytes, length: int) -> str:
    return b32encode(digest).decode().lower()[:length]
