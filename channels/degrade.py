"""The degrade ladder: what a channel cannot show becomes what it can (buttons → links → words, long → cut)."""

from hashlib import sha256

from agents.messages import Card, Message
from channels.base import Capabilities


def as_text(message: Message, capabilities: Capabilities) -> str:
    """The message in words alone, with how to answer it, no longer than the channel takes."""
    lines = [message.text]
    if message.card is not None and message.card.status == "open":
        lines += ways_to_answer(message.card, capabilities)
    return cut("\n".join(lines), capabilities.longest)


def ways_to_answer(card: Card, capabilities: Capabilities) -> list[str]:
    """What a person types here to answer this card."""
    ways = [way.format(code=card.code) for way in capabilities.commands if _fits(way, card)]
    if card.choices:
        ways.append("Choices: " + ", ".join(card.choices))
    if card.expires_at is not None:
        ways.append(f"Open until {card.expires_at:%Y-%m-%d %H:%M} UTC.")
    return ways


def _fits(way: str, card: Card) -> bool:
    """An approval is approved, denied or edited; a question is answered."""
    return way.startswith("/answer") == (card.kind == "question")


def cut(text: str, longest: int) -> str:
    """The text, or as much of it as fits with its length told."""
    if len(text) <= longest:
        return text
    told = f"… ({len(text)} characters in all)"
    return text[: max(0, longest - len(told))] + told


def digest_of_text(text: str) -> str:
    """128 bits of a digest of what was shown, for the receipt."""
    return sha256(text.encode()).hexdigest()[:32]
