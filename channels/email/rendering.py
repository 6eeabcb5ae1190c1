"""Rendering of messages as mail: a subject, a text and the same content as HTML.

A card shows all that other channels show, and how to answer it. Examples of answers stand in quotation marks, so that a
quoted copy of the mail contains no verdict.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from agents.core.cards import content_lines, explanation_lines
from agents.core.messages import Assurance, Card, Message
from channels.email.inert_text import make_inert, make_lines_inert
from channels.email.markdown_html import render_markdown
from channels.email.reply_text import DELIMITER
from channels.stored_input import ThreadContext
from channels.text import truncate

MAX_CARD_LENGTH = 200_000
"""Limit in characters for the values of a card together; a longer card is truncated and cannot be approved by mail."""
MAIL_ASSURANCE = Assurance.MEDIUM
_MAX_TRUNCATED_VALUE_LENGTH = 2_000
_MAX_SUBJECT_LENGTH = 150
_LINE_BREAK = "<br>\n"
_REPLY_PREFIXES = re.compile(r"(?:\s*(?:re|aw|sv|vs|antw|rif|odp|ynt|ref)(?:\[[0-9]{1,3}\])?\s?:)+\s*", re.IGNORECASE)


@dataclass(frozen=True)
class RenderedMail:
    """Subject and content of a mail. `text` and `html` say the same."""

    subject: str
    text: str
    html: str


def render_mail(message: Message, context: ThreadContext | None) -> RenderedMail:
    """Return the mail for a message of a thread."""
    subject = _render_subject(message, context)
    card = message.card
    if card is None or card.status != "open":
        if card is not None:
            return render_sections(subject, [message.text.split("\n")], ())
        text = f"{DELIMITER}\n\n{make_inert(message.text)}\n"
        return RenderedMail(subject, text, _wrap_html(render_markdown(message.text)))
    return _render_card(subject, limit_values(card))


def render_sections(subject: str, sections: Sequence[Sequence[str]], links: Sequence[str]) -> RenderedMail:
    """Return a mail of paragraphs with these lines. In HTML, `links` at the end of a line can be clicked."""
    inert = make_lines_inert([section for section in sections if section])
    text = "\n\n".join([DELIMITER, *map("\n".join, inert)])
    body = "".join(f"<p>{_LINE_BREAK.join(_line_to_html(line, links) for line in section)}</p>\n" for section in inert)
    return RenderedMail(subject, f"{text}\n", _wrap_html(body))


def _line_to_html(line: str, links: Sequence[str]) -> str:
    link = next((link for link in links if line.endswith(f": {link}")), None)
    if link is None:
        return escape(line)
    return f'{escape(line.removesuffix(link))}<a href="{escape(link)}">{escape(link)}</a>'


def _wrap_html(body: str) -> str:
    """Return an HTML document with the delimiter line above its body."""
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;font-size:15px;line-height:1.4;overflow-wrap:anywhere">\n'
        f'<p style="color:#777;font-size:12px">{escape(DELIMITER)}</p>\n{body}</body></html>\n'
    )


def may_approve_by_mail(card: Card) -> bool:
    """Return whether the mail shows the whole card, and its reader may approve it in a reply."""
    return not card.is_truncated and card.may_approve and card.min_assurance.rank <= MAIL_ASSURANCE.rank


def _render_subject(message: Message, context: ThreadContext | None) -> str:
    """Return the subject of the thread, as Gmail needs it to show a conversation; a card on its own has its title."""
    title = " ".join((context.title or "").split()) if context is not None else ""
    card = message.card
    is_first_card = card is not None and card.status == "open" and not (context and context.references)
    if card is not None and card.status == "open" and (is_first_card or not title):
        return truncate(make_inert(f"[{card.code}] {card.title}"), _MAX_SUBJECT_LENGTH)
    if not title:
        first_line = next((line.strip() for line in message.text.splitlines() if line.strip()), "Message")
        return truncate(make_inert(first_line), _MAX_SUBJECT_LENGTH)
    return f"Re: {truncate(make_inert(_strip_reply_prefixes(title) or title), _MAX_SUBJECT_LENGTH)}"


def _strip_reply_prefixes(title: str) -> str:
    """Return the title without `Re:` and what mail programs in other languages write for it."""
    prefixes = _REPLY_PREFIXES.match(title)
    return title[prefixes.end() :] if prefixes is not None else title


def limit_values(card: Card) -> Card:
    """Return the card, or a truncated one if its values are too long for a mail."""
    if sum(len(field.value) for field in card.fields) + len(card.title) <= MAX_CARD_LENGTH:
        return card
    fields = tuple(
        field.model_copy(update={"value": truncate(field.value, _MAX_TRUNCATED_VALUE_LENGTH)}) for field in card.fields
    )
    title = truncate(card.title, _MAX_TRUNCATED_VALUE_LENGTH)
    return card.model_copy(update={"fields": fields, "title": title, "is_truncated": True})


def _render_card(subject: str, card: Card) -> RenderedMail:
    sections = [
        content_lines(card),
        [*_note_lines(card), *explanation_lines(card), *_expiry_lines(card)],
        [f"{number}. {choice}" for number, choice in enumerate(card.choices, 1)],
        [f"Code: {card.code}"],
        [*_answer_lines(card), *_restriction_lines(card)],
        link_lines(card),
    ]
    return render_sections(subject, sections, [card.link] if card.link else [])


def link_lines(card: Card) -> list[str]:
    """Return the line with the link of the card, if it has one."""
    return [f"Answer on a page: {card.link}"] if card.link else []


def _note_lines(card: Card) -> list[str]:
    return [card.note] if card.note else []


def _expiry_lines(card: Card) -> list[str]:
    if card.expires_at is None:
        return []
    consequence = f"; {card.explanation.afterwards}" if card.explanation.afterwards else ""
    return [f"Open until {card.expires_at:%Y-%m-%d %H:%M} UTC{consequence}."]


def _answer_lines(card: Card) -> list[str]:
    """Return how to answer by a reply. Each example begins with a quotation mark, which makes it no verdict."""
    code = card.code
    if card.kind == "question":
        example = f"“ANSWER {code} 1”" if card.choices else f"“ANSWER {code} your text”"
        return [
            "To answer, write your answer above the quoted text of your reply"
            + (", or its number." if card.choices else "."),
            f"If you answer several requests in one mail, write {example} on a line of its own.",
        ]
    approve = [f"“APPROVE {code}” to approve"] if may_approve_by_mail(card) else []
    edit = [f"“EDIT {code} name=value” to change an argument"] if card.is_editable and approve else []
    return [
        "Reply with one of these lines above the quoted text, without the quotation marks:",
        *approve,
        f"“DENY {code}” to deny, optionally with a reason behind it",
        *edit,
    ]


def _restriction_lines(card: Card) -> list[str]:
    """Return why the card cannot be approved by a reply, and where it can."""
    if card.kind == "question" or may_approve_by_mail(card):
        return []
    if card.min_assurance.rank > MAIL_ASSURANCE.rank:
        return ["A reply is too weak a proof of who you are to approve this. Approve it with a click in Slack."]
    if not card.may_approve:
        return []
    place = "on the page below" if card.link else f"with `handrail requests show {card.code}`"
    return [f"This request is too long for a mail. Read all of it {place} before you approve it."]
