"""The degrade ladder: what a channel cannot show becomes what it can (buttons → links → words, long → cut)."""

from hashlib import sha256

from agents.cards import content_lines, explanation_lines
from agents.messages import Card, Message
from agents.requests import Request
from channels.base import Capabilities


def to_plain_text(message: Message, capabilities: Capabilities) -> str:
    """The message in words alone, with how to answer it, no longer than the channel takes.

    A card that is longer is cut, and says where to see all of it in place of how to approve it.
    """
    card = message.card
    if card is None or card.status != "open":
        return truncate(message.text, capabilities.max_length)
    text = "\n".join(
        [*content_lines(card), *explanation_lines(card), f"[{card.code}]", *answer_instructions(card, capabilities)]
    )
    if len(text) <= capabilities.max_length and not card.is_truncated:
        return text
    below = "\n".join(
        [_TRUNCATION_NOTICE.format(code=card.code), *answer_instructions(card, capabilities, is_complete=False)]
    )
    return f"{truncate(message.text, capabilities.max_length - len(below) - 1)}\n{below}"


_TRUNCATION_NOTICE = "This is not all of it. See all of it with `handrail requests show {code}` before you decide."


def answer_instructions(card: Card, capabilities: Capabilities, *, is_complete: bool = True) -> list[str]:
    """What a person types here to answer this card; only a denial where not all of it is shown."""
    usable = (
        way
        for way in capabilities.reply_instructions
        if _is_applicable(way, card) and (is_complete or way.startswith("/deny"))
    )
    ways = [way.format(code=card.code) for way in usable]
    if card.choices:
        ways.append("Choices: " + ", ".join(card.choices))
    if card.expires_at is not None:
        ways.append(f"Open until {card.expires_at:%Y-%m-%d %H:%M} UTC.")
    return ways


def answer_hint(request: Request, capabilities: Capabilities) -> str:
    """Return how a person answers this request on a channel, in a few words; empty where the channel has no way."""
    name = "/answer" if request.kind == "question" else "/approve"
    command = next((way for way in capabilities.reply_instructions if way.startswith(name)), None)
    if command is not None:
        return command.format(code=request.code)
    return "use the buttons above" if capabilities.has_buttons else ""


def _is_applicable(instruction: str, card: Card) -> bool:
    """An approval is approved, denied or edited; a question is answered."""
    return instruction.startswith("/answer") == (card.kind == "question")


def truncate(text: str, max_length: int) -> str:
    """The text, or as much of it as fits with its length told."""
    if len(text) <= max_length:
        return text
    told = f"… ({len(text)} characters in all)"
    return text[: max(0, max_length - len(told))] + told


def text_digest(text: str) -> str:
    """128 bits of a digest of what was shown, for the receipt."""
    return sha256(text.encode()).hexdigest()[:32]
