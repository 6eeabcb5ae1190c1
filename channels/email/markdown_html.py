"""Markdown of messages as HTML for mail: no raw HTML, no images, and links that show where they lead."""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from channels.email.inert_text import find_commands, make_inert

MAX_FORMATTED_LENGTH = 100_000
"""Limit in characters for a text that is formatted."""

_TAGS = {"a", "blockquote", "br", "code", "em", "hr", "li", "ol", "p", "pre", "s", "strong", "ul"} | {
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "thead", "tr")
}
_TAG = re.compile(r"<(?P<block>/?(?:p|br|li|h[1-6]|pre|tr|td|th|blockquote|hr)\b)?[^<>]*>")


def render_markdown(text: str) -> str:
    """Return the HTML of a Markdown text.

    The text is shown without formatting if that would join a verb and a code that the text has apart, or take long.
    """
    inert = make_inert(text)
    html = "" if len(inert) > MAX_FORMATTED_LENGTH else _render(inert)
    return html if html and not _has_command(html) else f"<pre>{escape(inert)}</pre>"


def _render(text: str) -> str:
    return nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def _has_command(html: str) -> bool:
    """Return whether the text of the HTML has a verb and a code that stand outside quotation marks."""
    text = unescape(_TAG.sub(lambda tag: "\n" if tag["block"] else "", html))
    return any(not verb[0].startswith("“") for verb, _ in find_commands(text.replace("“", " “")))


def _render_link_end(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    """Close a link and show its URL behind it, unless its text is the URL."""
    start = next(number for number in range(index - 1, -1, -1) if tokens[number].type == "link_open")
    url = str(tokens[start].attrs.get("href", ""))
    text = "".join(token.content for token in tokens[start + 1 : index])
    return "</a>" if text == url else f"</a> ({escape(url)})"


def _create_markdown() -> MarkdownIt:
    markdown = (
        MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
    )
    markdown.add_render_rule("link_close", _render_link_end)
    return markdown


_MARKDOWN: Any = _create_markdown()
