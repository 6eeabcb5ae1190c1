"""HTML of the page behind a link: plain, without script, readable on a phone, in light and dark colors.

Each text is escaped. The page never contains the code of a request, because typing the code is the proof that a person
with the message answers.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from html import escape

from agents.core.cards import describe_requesters
from agents.core.messages import Card
from agents.core.requests import Decision
from agents.core.visible_text import escape_hidden_characters

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #1a5fb4; }
@media (prefers-color-scheme: dark) { :root { --accent: #78aeed; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; line-height: 1.3; margin: .5rem 0 1rem; }
dl { border-top: 1px solid var(--line); margin: 1rem 0; }
dt { font-weight: 600; padding-top: .5rem; }
dd { margin: 0; padding-bottom: .5rem; border-bottom: 1px solid var(--line); font-family: ui-monospace, monospace; }
.notice { border-left: .25rem solid var(--accent); padding: .5rem .75rem; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
.choice { font-weight: normal; margin: .5rem 0; }
input[type=text], textarea { width: 100%; font: inherit; padding: .6rem; }
.code { text-transform: uppercase; letter-spacing: .15em; max-width: 12rem; }
button { font: inherit; font-weight: 600; padding: .75rem 1.5rem; margin: 1rem .75rem 0 0; min-height: 2.75rem; }
""".strip()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

MAX_COMMENT_LENGTH = 1000
_BUTTONS: dict[Decision, str] = {"approve": "Approve", "deny": "Deny", "answer": "Send the answer"}


@dataclass(frozen=True)
class AnswerForm:
    """The form with which the request can be answered. A person who is signed in does not type the code."""

    decisions: tuple[Decision, ...]
    form_token: str
    needs_code: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerPageView:
    """Content of the page: what happened, the request, and the form if the request can be answered here."""

    card: Card
    notices: Sequence[str] = ()
    form: AnswerForm | None = field(default=None)


def render_page(view: AnswerPageView) -> str:
    """Return the page of a request."""
    card = view.card
    body = [
        f"<h1>{_text(card.title)}</h1>",
        *(f'<p class="notice" role="status">{_text(notice)}</p>' for notice in view.notices),
        _render_fields(card),
        *(f"<p>{_text(line)}</p>" for line in _explanation(card)),
        "" if view.form is None else _render_form(view.form),
    ]
    return _document("Request" if card.status == "open" else "Settled request", "\n".join(filter(None, body)))


def render_message(title: str, text: str) -> str:
    """Return a page without a request."""
    return _document(title, f"<h1>{_text(title)}</h1>\n<p>{_text(text)}</p>")


def describe_time(at: datetime) -> str:
    """Return a time as the page shows it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex, nofollow">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)} - Handrail</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _render_fields(card: Card) -> str:
    rows = (f"<dt>{_text(one.name)}</dt>\n<dd>{_text(one.value)}</dd>" for one in card.fields)
    return "<dl>\n" + "\n".join(rows) + "\n</dl>" if card.fields else ""


def _explanation(card: Card) -> list[str]:
    """Return the lines below the arguments, as other channels show them, with those that are empty left out."""
    explanation = card.explanation
    is_open = card.status == "open"
    why = f"Why, in the agent's words: {explanation.why}" if explanation.why else ""
    deciders = f"Can be decided by {explanation.decided_by}" if explanation.decided_by and is_open else ""
    expiry = f"Open until {describe_time(card.expires_at)}" if card.expires_at is not None and is_open else ""
    afterwards = f"; {explanation.afterwards}" if expiry and explanation.afterwards else ""
    requesters = describe_requesters(card)
    lines = (card.note, why, requesters[:1].upper() + requesters[1:], deciders, explanation.progress)
    return [f"{line.removesuffix('.')}." for line in (*lines, expiry + afterwards) if line]


def _render_form(form: AnswerForm) -> str:
    return "\n".join(
        [
            '<form method="post" autocomplete="off">',
            '<button type="submit" disabled hidden></button>',  # the Enter key uses the first button: it does nothing
            f'<input type="hidden" name="form_token" value="{_text(form.form_token)}">',
            *_answer_fields(form),
            *(_CODE_FIELD if form.needs_code else ()),
            *(
                f'<button type="submit" name="decision" value="{one}">{_BUTTONS[one]}</button>'
                for one in form.decisions
            ),
            "</form>",
        ]
    )


_CODE_INPUT = (
    '<input class="code" type="text" id="code" name="code" maxlength="12" autocapitalize="characters" '
    'autocorrect="off" spellcheck="false">'
)
_CODE_FIELD = ('<label for="code">The code in the message that has this link</label>', _CODE_INPUT)


def _answer_fields(form: AnswerForm) -> list[str]:
    if form.decisions != ("answer",):
        return [
            '<label for="comment">Comment (optional)</label>',
            f'<textarea id="comment" name="comment" rows="2" maxlength="{MAX_COMMENT_LENGTH}"></textarea>',
        ]
    if form.choices:
        return [
            f'<label class="choice"><input type="radio" name="text" value="{_text(choice)}"> {_text(choice)}</label>'
            for choice in form.choices
        ]
    return ['<label for="text">Your answer</label>', '<textarea id="text" name="text" rows="4"></textarea>']


def _text(value: str) -> str:
    return escape(escape_hidden_characters(value), quote=True)
