"""Text of an HTML mail as its reader sees it, line by line, with the places at which mail programs begin a quote.

The parser of libxml2 reports tags and text one after the other; no tree is built. So nesting is not limited, and the
time is linear for any input: adding attributes to a tree is quadratic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree  # type: ignore[import-untyped]

from channels.email.html_style import Declarations, StyleSheet, TextStyle, inherit_style

MAX_HTML_LENGTH = 500_000
MAX_QUOTE_DEPTH = 20
MAX_TAGS = 30_000
"""Tags and texts that are read: 200 pages of a thread as Outlook writes it."""
CHUNK_BYTES = 16_384

_SKIPPED_TAGS = frozenset(
    [
        "audio",
        "dialog",
        "head",
        "iframe",
        "math",
        "noembed",
        "noframes",
        "noscript",
        "object",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
    ]
)
_BLOCK_TAGS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_SPACED_TAGS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "pre", "blockquote"})
_QUOTE_CLASSES = frozenset(
    [
        "gmail_quote",
        "gmail_quote_container",
        "gmail_extra",
        "moz-cite-prefix",
        "moz-forward-container",
        "moz-email-headers-table",
        "protonmail_quote",
        "yahoo_quoted",
        "zmail_extra",
        "tutanota_quote",
        "mail-quote-collapse",
        "outlookmessageheader",
        "quoted-message-header",
        "ms-outlook-mobile-reference-message",
        "hmmessage_quote",
    ]
)
_QUOTE_IDS = (
    "appendonsend",
    "divrplyfwdmsg",
    "mail-editor-reference-message-container",
    "olk_src_body_section",
    "reply-intro",
    "replysplit",
    "stopspelling",
    "yahoo_quoted",
    "_originalcontent",
    "isreplycontent",
)
_SPACES = " \t\r\n\f"


@dataclass(frozen=True)
class HtmlLine:
    """A visible line. `depth` counts the block quotes around it; a mail program's quote may begin at this line."""

    text: str
    depth: int = 0
    is_quote_start: bool = False


def html_to_text(html: str) -> str:
    """Return the visible text, with `> ` before the lines of each block quote."""
    return "\n".join(f"{'> ' * line.depth}{line.text}" for line in read_html(html)).strip("\n")


def read_html(html: str) -> tuple[HtmlLine, ...]:
    """Return the visible lines, up to MAX_TAGS tags and texts. HTML that cannot be parsed has none."""
    reader = _HtmlReader()
    parser = etree.HTMLParser(encoding="utf-8", target=reader)
    data = html[:MAX_HTML_LENGTH].replace("\0", "").encode("utf-8", "replace")
    try:
        for start in range(0, len(data), CHUNK_BYTES):
            parser.feed(data[start : start + CHUNK_BYTES])
            if reader.tag_count > MAX_TAGS:
                break
        else:
            parser.close()
            reader.is_complete = len(html) <= MAX_HTML_LENGTH
    except etree.LxmlError:
        pass  # an empty document; lines read before an error are kept
    return reader.finish()


@dataclass
class _Element:
    tag: str
    style: TextStyle
    is_skipped: bool
    depth: int
    is_spaced: bool
    link: str = ""
    text_start: int = 0


@dataclass
class _HtmlReader:
    """Target of the parser (https://lxml.de/parsing.html#the-target-parser-interface)."""

    sheet: StyleSheet = field(default_factory=StyleSheet)
    lines: list[HtmlLine] = field(default_factory=list)
    tag_count: int = 0
    is_complete: bool = False
    _stack: list[_Element] = field(default_factory=lambda: [_Element("", TextStyle(), False, 0, False)])
    _buffer: list[str] = field(default_factory=list)
    _style_text: list[str] = field(default_factory=list)
    _line_depth: int = 0
    _is_line_preformatted: bool = False
    _is_quote_start: bool = False
    _is_blank_due: bool = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag_count += 1
        parent = self._stack[-1]
        found = self.sheet.find(tag, attributes)
        if tag in _BLOCK_TAGS or tag == "br":
            self._end_line(is_forced=tag == "br")
        if _begins_quote(tag, attributes, found):
            self._end_line()
            self._is_quote_start = True
        element = _Element(
            tag=tag,
            style=inherit_style(parent.style, tag, attributes, found),
            is_skipped=parent.is_skipped or tag in _SKIPPED_TAGS,
            depth=min(MAX_QUOTE_DEPTH, parent.depth + (tag == "blockquote")),
            is_spaced=tag in _SPACED_TAGS and not _has_no_margin(attributes, found),
            link=attributes.get("href", "")[:2000] if tag == "a" else "",
            text_start=len(self._buffer),
        )
        self._stack.append(element)
        self._is_blank_due |= element.is_spaced
        if tag == "li" and not element.is_skipped:
            self._add("- ")

    def end(self, tag: str) -> None:
        if len(self._stack) == 1:
            return
        element = self._stack.pop()
        if element.link and element.style.is_visible:
            self._add_link(element)
        if tag == "style":
            self.sheet.add("".join(self._style_text))
            self._style_text.clear()
        elif tag in {"td", "th"}:
            self._add(" ")
        if tag in _BLOCK_TAGS:
            self._end_line()
            self._is_blank_due |= element.is_spaced

    def data(self, text: str) -> None:
        self.tag_count += 1
        element = self._stack[-1]
        if element.tag == "style":
            self._style_text.append(text)
        elif element.is_skipped or not element.style.is_visible:
            return
        elif element.style.is_preformatted:
            first, *others = text.replace("\r\n", "\n").split("\n")
            self._add(first)
            for other in others:
                self._end_line(is_forced=True)
                self._add(other)
        else:
            self._add(_collapse_spaces(text))

    def close(self) -> None:
        self._end_line()

    def finish(self) -> tuple[HtmlLine, ...]:
        """Return the lines. If the HTML was not read to its end, the last line may be cut, so it is left out."""
        if self.is_complete:
            self._end_line()
        elif not self._buffer:
            self.lines = self.lines[:-1]
        return tuple(self.lines)

    def _add(self, text: str) -> None:
        if text and not self._buffer:
            self._line_depth = self._stack[-1].depth
            self._is_line_preformatted = self._stack[-1].style.is_preformatted
        if text:
            self._buffer.append(text)

    def _add_link(self, element: _Element) -> None:
        """Add the address of a link behind its text if the text does not show it."""
        text = "".join(self._buffer[element.text_start :])
        if element.link.startswith(("http://", "https://")) and text.strip() and "://" not in text:
            self._add(f" <{element.link}>")

    def _end_line(self, *, is_forced: bool = False) -> None:
        """End the line. A forced end, of `<br>` or a newline, makes an empty line where there is no text."""
        text = _join(self._buffer, is_preformatted=self._is_line_preformatted)
        depth = self._line_depth if self._buffer else self._stack[-1].depth
        self._buffer.clear()
        if not text.strip() and not is_forced:
            return
        if self._is_blank_due and self.lines and self.lines[-1].text:
            self.lines.append(HtmlLine("", min(depth, self.lines[-1].depth)))
        self._is_blank_due = False
        self.lines.append(HtmlLine(text, depth, self._is_quote_start and bool(text.strip())))
        self._is_quote_start &= not text.strip()


def _begins_quote(tag: str, attributes: Mapping[str, str], found: Declarations) -> bool:
    """Return whether a mail program puts this element before or around a quoted or forwarded mail."""
    if tag not in {"div", "blockquote", "hr", "span", "table", "p", "section"}:
        return False
    name = attributes.get("id", "")[:200].lower()
    return (
        (tag == "blockquote" and attributes.get("type") == "cite")
        or (tag == "div" and attributes.get("name") == "quote")  # GMX and web.de
        or (tag == "hr" and attributes.get("tabindex") == "-1")  # Outlook on the web
        or any(part in name for part in _QUOTE_IDS)
        or not _QUOTE_CLASSES.isdisjoint(attributes.get("class", "")[:1000].lower().split())
        or (tag == "div" and _has_quote_border(found))
    )


def _has_quote_border(found: Declarations) -> bool:
    """Return whether a block has the line that Outlook and Windows Mail draw above the headers of a quoted mail."""
    return ("solid" in found.get("border-top", "") and found.get("padding", "").startswith("3.0pt")) or (
        found.get("border-top-style") == "solid" and found.get("padding-top") == "5px"
    )


def _has_no_margin(attributes: Mapping[str, str], found: Declarations) -> bool:
    if "msonormal" in attributes.get("class", "").lower():
        return True
    shorthand = (found.get("margin", "") + " x").split()
    return all(found.get(f"margin-{side}", shorthand[0])[:1] == "0" for side in ("top", "bottom"))


def _collapse_spaces(text: str) -> str:
    """Return the text with one space for each run of white space; no-break spaces stay."""
    if not text.strip(_SPACES):
        return " " if text else ""
    words = text.translate(_TO_SPACE).split(" ")
    middle = " ".join(word for word in words if word)
    return f"{' ' * (text[0] in _SPACES)}{middle}{' ' * (text[-1] in _SPACES)}"


_TO_SPACE = str.maketrans(dict.fromkeys(_SPACES, " "))


def _join(parts: list[str], *, is_preformatted: bool) -> str:
    """Return the text of a line; runs of spaces that came from several elements are one."""
    text = "".join(parts)
    if is_preformatted:
        return text.replace("\N{NO-BREAK SPACE}", " ").rstrip()
    text = " ".join(part for part in text.split(" ") if part)
    return text.replace("\N{NO-BREAK SPACE}", " ").strip()
