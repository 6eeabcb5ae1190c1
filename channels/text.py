"""Texts for channels: messages as plain text, without buttons or with a limited length, and validators of URLs."""

from hashlib import sha256
from urllib.parse import SplitResult, urlsplit

from agents.core.cards import content_lines, explanation_lines
from agents.core.messages import Card, Message
from agents.core.requests import Request
from channels.base import Capabilities


def to_plain_text(message: Message, capabilities: Capabilities) -> str:
    """Return the message as text with instructions for answering it, at most `capabilities.max_length` characters.

    A card that is too long is truncated. Its instructions then say how to read the complete request, not how to approve
    it.
    """
    card = message.card
    if card is None or card.status != "open":
        return truncate(message.text, capabilities.max_length)
    text = "\n".join(
        [*content_lines(card), *explanation_lines(card), f"[{card.code}]", *answer_instructions(card, capabilities)]
    )
    if len(text) <= capabilities.max_length and not card.is_truncated:
        return text
    footer = "\n".join(
        [_TRUNCATION_NOTICE.format(code=card.code), *answer_instructions(card, capabilities, is_complete=False)]
    )
    return f"{truncate(message.text, capabilities.max_length - len(footer) - 1)}\n{footer}"


def format_error(error: Exception) -> str:
    """Return the error's message as a sentence that ends with one full stop."""
    return f"{str(error).removesuffix('.')}."


_TRUNCATION_NOTICE = (
    "This message is truncated. Run `handrail requests show {code}` to read the complete request before you decide."
)


def answer_instructions(card: Card, capabilities: Capabilities, *, is_complete: bool = True) -> list[str]:
    """Return lines that say how to answer this card by text; a card that is not complete can only be denied."""
    instructions = (
        instruction
        for instruction in capabilities.reply_instructions
        if _is_applicable(instruction, card) and (is_complete or _verb_of(instruction) == "deny")
    )
    lines = [instruction.format(code=card.code) for instruction in instructions]
    if card.choices:
        lines.append("Choices: " + ", ".join(card.choices))
    if card.expires_at is not None:
        lines.append(f"Open until {card.expires_at:%Y-%m-%d %H:%M} UTC.")
    return lines


def answer_hint(request: Request, capabilities: Capabilities) -> str:
    """Return in a few words how to answer this request on a channel, empty if it has neither commands nor buttons."""
    verb = "answer" if request.kind == "question" else "approve"
    command = next((text for text in capabilities.reply_instructions if _verb_of(text) == verb), None)
    if command is not None:
        return command.format(code=request.code)
    return "use the buttons above" if capabilities.has_buttons else ""


def _is_applicable(instruction: str, card: Card) -> bool:
    """Return whether the instruction fits the kind of card: `answer` for questions, all others for approvals."""
    return (_verb_of(instruction) == "answer") == (card.kind == "question")


def _verb_of(instruction: str) -> str:
    """Return the first word of an instruction, such as `approve` of `/approve {code}` and of `APPROVE {code}`."""
    return instruction.partition(" ")[0].removeprefix("/").lower()


def truncate(text: str, max_length: int) -> str:
    """Return the text, or only its beginning and its full length if it has more than `max_length` characters."""
    if len(text) <= max_length:
        return text
    suffix = f"… ({len(text)} characters in all)"
    return text[: max(0, max_length - len(suffix))] + suffix


def text_digest(text: str) -> str:
    """Return the first 128 bits of the text's SHA-256 digest as 32 hex digits, for the `Receipt` of a message."""
    return sha256(text.encode()).hexdigest()[:32]


INVALID_URL_MESSAGE = "is not a URL: the host or the port cannot be read; write special characters as %XX"


def validate_web_url(text: str) -> str:
    """Validate an http(s) URL without a query, and return it without a slash at its end."""
    url = split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be a web address: http:// or https://, a host, optionally a port and a path")
    return text.rstrip("/")


def validate_api_base_url(text: str) -> str:
    """Validate a web URL to which method names are appended, and return it with one slash at its end."""
    return f"{validate_web_url(text)}/"


def split_url(text: str) -> SplitResult:
    """Split a URL into its parts. Raises ValueError if its host or port cannot be read."""
    try:
        url = urlsplit(text)
        _ = url.port  # urllib validates the port on access, and its error shows the value
    except ValueError:
        raise ValueError(INVALID_URL_MESSAGE) from None
    return url
