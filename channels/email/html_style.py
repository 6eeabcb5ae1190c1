"""Which text of an HTML mail a reader can see: inline styles, `<style>` elements and old attributes.

Every doubt counts as hidden, since a verdict must not stand in text that its sender could not see. Selectors are
reduced to their last part, so a rule for `.a .b` applies to every element of class `b`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Declarations = Mapping[str, str]
"""CSS declarations: names and values in lower case."""

MAX_DECLARATIONS, MAX_CLASSES = 100, 20
"""Numbers of declarations and classes of one element that are read."""
MAX_STYLE_SHEET_LENGTH = 131_072
MAX_INVISIBLE_DISTANCE = 12
"""Greatest difference of each of red, green and blue at which a text cannot be distinguished from its background."""

_READ_PROPERTIES = frozenset(
    [
        "background",
        "background-color",
        "border",
        "border-top",
        "border-top-style",
        "clip",
        "clip-path",
        "color",
        "display",
        "font-size",
        "height",
        "left",
        "margin",
        "margin-bottom",
        "margin-top",
        "max-height",
        "max-width",
        "mso-hide",
        "opacity",
        "overflow",
        "padding",
        "padding-top",
        "position",
        "text-indent",
        "top",
        "transform",
        "visibility",
        "white-space",
        "width",
    ]
)
_SELECTOR_PART = re.compile(r"[.#]?[\w-]{1,80}")
_NUMBER = re.compile(r"[+-]?[0-9]{0,6}(?:\.[0-9]{1,6})?")
_CHANNELS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4})?%?")
_HEX_COLOR = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_NAMED_COLORS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "silver": (192, 192, 192),
    "snow": (255, 250, 250),
    "white": (255, 255, 255),
    "whitesmoke": (245, 245, 245),
    "window": (255, 255, 255),
    "windowtext": (0, 0, 0),
    "yellow": (255, 255, 0),
}

Color = tuple[int, int, int]


@dataclass(frozen=True)
class TextStyle:
    """The inherited properties that decide whether text is seen. A `background` of None is an image or unknown."""

    is_hidden: bool = False
    is_tiny: bool = False
    is_preformatted: bool = False
    color: Color = (0, 0, 0)
    background: Color | None = (255, 255, 255)

    @property
    def is_visible(self) -> bool:
        """Return whether text of this style can be seen."""
        return not (self.is_hidden or self.is_tiny or _is_same_color(self.color, self.background))


@dataclass
class StyleSheet:
    """The rules of all `<style>` elements of a mail, by tag name, `.class` and `#id`."""

    rules: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """Read the text of a `<style>` element. Rules inside `@media` count always."""
        text = _without_comments(text[:MAX_STYLE_SHEET_LENGTH].lower())
        for block in text.split("}"):
            *_, selectors, body = ["", "", *block.split("{")]
            if not selectors.strip().startswith("@"):
                self._add_rule(selectors, parse_declarations(body))

    def _add_rule(self, selectors: str, declarations: Declarations) -> None:
        for selector in selectors.split(",") if declarations else ():
            words = selector.replace(">", " ").replace("+", " ").replace("~", " ").split()
            if words and ":" not in words[-1] and "[" not in words[-1]:
                parts = _SELECTOR_PART.findall(words[-1])
                key = max(parts, key=lambda part: " .#".find(part[0]), default="")
                self.rules.setdefault(key, {}).update(declarations)

    def find(self, tag: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """Return the declarations for an element, those of its `style` attribute last."""
        found = dict(self.rules.get(tag, ()))
        for name in attributes.get("class", "")[:1000].lower().split()[:MAX_CLASSES]:
            found.update(self.rules.get(f".{name}", ()))
        found.update(self.rules.get(f"#{attributes.get('id', '').lower()}", ()))
        found.update(parse_declarations(attributes.get("style", "").lower()))
        return found


def parse_declarations(text: str) -> dict[str, str]:
    """Return the declarations of a `style` attribute in lower case, of those properties that are read here."""
    declarations = {}
    for declaration in text.split(";", MAX_DECLARATIONS)[:MAX_DECLARATIONS]:
        name, _, value = declaration.partition(":")
        if (name := name.strip()) in _READ_PROPERTIES:
            declarations[name] = value[:200].replace("!important", "").strip()
    return declarations


def inherit_style(parent: TextStyle, tag: str, attributes: Mapping[str, str], found: Declarations) -> TextStyle:
    """Return the style of an element inside `parent`."""
    style = replace(
        parent,
        is_hidden=parent.is_hidden or "hidden" in attributes or hides(found),
        is_preformatted=_is_preformatted(found.get("white-space"), tag, default=parent.is_preformatted),
    )
    if size := found.get("font-size"):
        style = replace(style, is_tiny=_is_small(size, 2) if size[0] in "0123456789.+-" else style.is_tiny)
    if color := found.get("color") or attributes.get("color") or attributes.get("text"):
        style = _with_color(style, color.lower())
    if background := found.get("background-color") or found.get("background") or attributes.get("bgcolor"):
        style = _with_background(style, background.lower())
    return style


def hides(found: Declarations) -> bool:
    """Return whether these declarations hide an element: by display, transparency, size, clipping or position."""
    return (
        found.get("display", "").startswith("none")
        or found.get("visibility") in {"hidden", "collapse"}
        or found.get("mso-hide") == "all"
        or _is_small(found.get("opacity"), 0.1)
        or _is_clipped(found)
        or _is_moved_away(found)
    )


def _is_clipped(found: Declarations) -> bool:
    sizes = ("max-height", "height", "max-width", "width")
    return (
        (found.get("overflow", "").startswith("hidden") and any(_is_small(found.get(name), 2) for name in sizes))
        or _is_small(found.get("max-height"), 1)
        or found.get("clip", "auto") not in {"auto", "inherit", "initial"}
        or found.get("clip-path", "none") not in {"none", "inherit", "initial"}
        or "scale(0" in found.get("transform", "")
    )


def _is_moved_away(found: Declarations) -> bool:
    """Return whether the text is moved out of the window, by 500 or more of any unit."""
    return any(
        (number := _leading_number(found.get(name))) is not None and number <= -500  # noqa: PLR2004 - see above
        for name in ("text-indent", "left", "top", "margin-top")
    )


def _is_small(value: str | None, limit: float) -> bool:
    """Return whether the value begins with a number below the limit."""
    number = _leading_number(value)
    return number is not None and number < limit


def _leading_number(value: str | None) -> float | None:
    match = _NUMBER.match(value or "")
    return float(match[0]) if match and match[0].strip("+-") else None


def _is_preformatted(white_space: str | None, tag: str, *, default: bool) -> bool:
    if white_space:
        return white_space.startswith("pre")
    return tag == "pre" or default


def _with_color(style: TextStyle, value: str) -> TextStyle:
    if value.startswith("transparent") or _is_transparent(value):
        return replace(style, is_hidden=True)
    color = parse_color(value)
    return style if color is None else replace(style, color=color)


def _with_background(style: TextStyle, value: str) -> TextStyle:
    if value.startswith(("none", "transparent", "inherit", "initial")) or _is_transparent(value):
        return style
    return replace(style, background=None if "url(" in value else parse_color(value))


def _is_transparent(value: str) -> bool:
    channels = _CHANNELS.findall(value) if value.startswith(("rgba(", "hsla(")) else []
    return len(channels) == 4 and float(channels[3].rstrip("%")) < 0.1  # noqa: PLR2004 - red, green, blue and opacity


def parse_color(value: str) -> Color | None:
    """Return red, green and blue from 0 to 255; None for a colour that is not understood."""
    if match := _HEX_COLOR.match(value):
        digits = match[0][1:]
        pairs = [digit * 2 for digit in digits] if len(digits) <= 4 else re.findall("..", digits)  # noqa: PLR2004
        return int(pairs[0], 16), int(pairs[1], 16), int(pairs[2], 16)
    if value.startswith("rgb"):
        channels = [_to_channel(text) for text in _CHANNELS.findall(value)]
        return (channels[0], channels[1], channels[2]) if len(channels) >= 3 else None  # noqa: PLR2004
    return _NAMED_COLORS.get(value.split(maxsplit=1)[0]) if value.split() else None


def _to_channel(text: str) -> int:
    number = float(text.rstrip("%"))
    return min(255, round(number * 2.55 if text.endswith("%") else number))


def _is_same_color(one: Color, other: Color | None) -> bool:
    return other is not None and all(
        abs(first - second) <= MAX_INVISIBLE_DISTANCE for first, second in zip(one, other, strict=True)
    )


def _without_comments(text: str) -> str:
    """Return CSS without comments; an open comment hides the rest."""
    first, *others = text.replace("<!--", "").replace("-->", "").split("/*")
    return first + "".join(other.partition("*/")[2] for other in others)
