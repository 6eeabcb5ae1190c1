"""Text that mail programs and gateways add to what a person writes: banners above it, signatures below it."""

# ruff: noqa: RUF001 - the words are of many languages

from collections.abc import Sequence

MAX_SIGNATURE_LINES = 15
MAX_BANNER_LINES = 8

_BANNER_STARTS = (
    "[external",
    "[extern",
    "achtung",
    "alert",
    "atención",
    "attention",
    "attenzione",
    "aviso",
    "caution",
    "external email",
    "external sender",
    "externe e-mail",
    "externe mail",
    "let op",
    "this email originated",
    "this message originated",
    "vorsicht",
    "warning",
    "you don't often get email from",
    "sie erhalten nicht oft",
)
_BANNER_WORDS = (
    "external",
    "extern",
    "outside",
    "originated",
    "don't often",
    "nicht oft",
    "außerhalb",
    "ausserhalb",
    "extérieur",
    "esterno",
    "buiten",
)
_MOBILE_STARTS = (
    "sent from my ",
    "sent from mail for windows",
    "sent from outlook for",
    "sent from yahoo mail",
    "sent from proton mail",
    "sent with proton mail",
    "get outlook for ",
    "sent via superhuman",
    "sent via the samsung",
    "diese nachricht wurde von meinem android",
    "gesendet mit der gmx",
    "gesendet mit der web.de",
    "gesendet von mail für windows",
    "gesendet von outlook für",
    "holen sie sich outlook",
    "laden sie outlook für",
    "von meinem iphone gesendet",
    "von meinem ipad gesendet",
    "von meinem samsung",
    "envoyé de mon iphone",
    "envoyé depuis mon",
    "obtenez outlook pour",
    "télécharger outlook pour",
    "enviado desde mi ",
    "obtener outlook para",
    "inviato da iphone",
    "inviato dal mio",
    "ottieni outlook per",
    "enviado do meu ",
    "obter o outlook para",
    "verstuurd vanaf mijn",
    "verzonden vanaf mijn",
    "outlook für ",
    "outlook pour ",
    "outlook voor ",
    "отправлено с iphone",
    "отправлено из мобильной",
    "iphoneから送信",
    "skickat från min",
    "wysłane z iphone",
)


def strip_signature(text: str) -> str:
    """Return the text without a signature behind `-- ` (RFC 3676 §4.3), notes of phones, and a gateway's banner."""
    lines = _without_banner(text.split("\n"))
    for index in range(max(0, len(lines) - MAX_SIGNATURE_LINES), len(lines)):
        if lines[index].rstrip() == "--":
            lines = lines[:index]
            break
    while lines and (not lines[-1].strip() or _is_mobile_note(lines[-1])):
        lines = lines[:-1]
    return "\n".join(lines).strip("\n")


def _is_mobile_note(line: str) -> bool:
    return line.strip(" \t*_-[(").casefold().startswith(_MOBILE_STARTS)


def _without_banner(lines: Sequence[str]) -> list[str]:
    """Return the lines without a first paragraph that warns of mail from outside."""
    start = next((index for index, line in enumerate(lines) if line.strip()), 0)
    end = next((index for index in range(start, len(lines)) if not lines[index].strip()), len(lines))
    banner = (
        " ".join(lines[start:end])[:1000]
        .replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        .strip(" \t*_|-=⚠\ufe0f")
        .casefold()
    )
    is_banner = banner.startswith(_BANNER_STARTS) and any(word in banner for word in _BANNER_WORDS)
    return list(lines[end:] if is_banner and end - start <= MAX_BANNER_LINES else lines)
