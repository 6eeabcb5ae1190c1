"""What one person alone is told: answers to `/handrail`, and why a click did not count.

As answers to a slash command, or posted to a `response_url` (docs.slack.dev/interactivity/handling-user-interaction).
"""

from typing import Any

from agents.cards import outcome
from agents.requests import Request
from agents.visible import visible
from channels.slack.blocks import Block, section
from channels.slack.cards import LONGEST_TEXT
from channels.slack.escaping import clipped, escaped, legible
from channels.slack.introduction import introduction
from channels.slack.listing import conversations, requests
from channels.slack.overview import Overview

Notice = dict[str, Any]

SUBCOMMANDS = {
    "status": "your threads, and what they are doing",
    "approvals": "what waits for your decision",
    "whoami": "who you are to me",
    "cancel": "end a thread of yours; name it if several go on",
    "help": "this list",
}
_LONGEST_TYPED = 60


def help_notice(menu: str = "") -> Notice:
    """What can be typed, and what the agent understands: `menu` is its own words for that."""
    typed = "\n".join(f"/handrail {name}: {does}" for name, does in SUBCOMMANDS.items())
    ways = "Mention me in a channel, write to me, or use “Ask Handrail” in the menu of a message."
    return _notice(*filter(None, (typed, ways, legible(menu))))


def unknown_notice(typed: str) -> Notice:
    """For a subcommand there is not."""
    said = clipped(visible(typed), _LONGEST_TYPED)
    return _notice(f"I do not know “{said}”. There are: {', '.join(SUBCOMMANDS)}.")


def status_notice(overview: Overview) -> Notice:
    """Their threads, and how many requests wait for them."""
    told = f"{_counted(len(overview.waiting), 'request')} for you, {len(overview.conversations)} of your threads"
    return _drawn(told, [section(told), *conversations(overview.conversations)])


def approvals_notice(overview: Overview) -> Notice:
    """What waits for them."""
    told = f"{_counted(len(overview.waiting), 'request')} for you"
    return _drawn(told, [section(told), *requests(overview.waiting)])


def whoami_notice(overview: Overview) -> Notice:
    """Who they are to us."""
    return _notice(introduction(overview))


def cancelled_notice(thread_id: str) -> Notice:
    """That a thread is over."""
    return _notice(f"Thread {clipped(visible(thread_id), _LONGEST_TYPED)} is cancelled.")


def refusal_notice(error: str, request: Request | None = None) -> Notice:
    """Why a click did not count, from the words of the error, and how the request ended if it did."""
    ended = "" if request is None or request.status == "open" else f"It ended so: {outcome(request)}."
    return _notice(*filter(None, (f"This did not count: {legible(error)}", legible(ended))))


def _counted(number: int, noun: str) -> str:
    return f"{number} open {noun}" + ("" if number == 1 else "s")


def _notice(*paragraphs: str) -> Notice:
    """Each paragraph was made visible before."""
    return _drawn("\n\n".join(paragraphs), [section(paragraph) for paragraph in paragraphs])


def _drawn(told: str, blocks: list[Block]) -> Notice:
    """Beside the card, never in its place; `told` stands for the blocks where they cannot be drawn."""
    text = escaped(told, LONGEST_TEXT)
    return {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": blocks}
