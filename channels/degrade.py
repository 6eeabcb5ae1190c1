"""The degrade ladder: what a channel cannot show becomes what it can (buttons → links → words, long → cut)."""

from hashlib import sha256

from agents.cards import explained, lines_of
from agents.messages import Card, Message
from agents.requests import Request
from channels.base import Capabilities


def as_text(message: Message, capabilities: Capabilities) -> str:
    """The message in words alone, with how to answer it, no longer than the channel takes.

    A card that is longer is cut, and says where to see all of it in place of how to approve it.
    """
    card = message.card
    if card is None or card.status != "open":
        return cut(message.text, capabilities.longest)
    text = "\n".join([*lines_of(card), *explained(card), f"[{card.code}]", *ways_to_answer(card, capabilities)])
    if len(text) <= capabilities.longest and not card.is_cut:
        return text
    below = "\n".join([_ALL_OF_IT.format(code=card.code), *ways_to_answer(card, capabilities, is_whole=False)])
    return f"{cut(message.text, capabilities.longest - len(below) - 1)}\n{below}"


_ALL_OF_IT = "This is not all of it. See all of it with `handrail requests show {code}` before you decide."


def ways_to_answer(card: Card, capabilities: Capabilities, *, is_whole: bool = True) -> list[str]:
    """What a person types here to answer this card; only a denial where not all of it is shown."""
    usable = (way for way in capabilities.commands if _fits(way, card) and (is_whole or way.startswith("/deny")))
    ways = [way.format(code=card.code) for way in usable]
    if card.choices:
        ways.append("Choices: " + ", ".join(card.choices))
    if card.expires_at is not None:
        ways.append(f"Open until {card.expires_at:%Y-%m-%d %H:%M} UTC.")
    return ways


def how_to_answer(request: Request, capabilities: Capabilities) -> str:
    """Return how a person answers this request on a channel, in a few words; empty where the channel has no way."""
    name = "/answer" if request.kind == "question" else "/approve"
    command = next((way for way in capabilities.commands if way.startswith(name)), None)
    if command is not None:
        return command.format(code=request.code)
    return "use the buttons above" if capabilities.buttons else ""


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
