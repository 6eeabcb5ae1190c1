"""Composers of replies, forwards and new mails in the styles of mail programs. The formats are those of real mails.

`Original` is the mail of the bot that is answered. Each composer takes the text that its author types and returns the
bytes that the mail program sends.
"""

# ruff: noqa: RUF001 - mails in several languages

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

DELIMITER = "##- Reply above this line -##"
MESSAGE_ID = "<mthread1key12345abcdefghijklmnop@example.test>"
BOT, PERSON = "bot@example.test", "bob@corp.test"


@dataclass(frozen=True)
class Original:
    """The approval mail that is answered."""

    text: str = (
        f"{DELIMITER}\n\nAlice asks to run push_release_tag.\n\nenvironment: production\ntag: v1.4.0\n"
        "commit: 4f2a91c Fix the rounding of invoices\n\n"
        "Reply with “APPROVE K7P2Q”, or with “DENY K7P2Q” and a reason, on a line of its own.\n"
        "Open until 2026-11-30 11:12 UTC."
    )
    subject: str = "Approval K7P2Q: push_release_tag"

    @property
    def html(self) -> str:
        return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in self.text.split("\n\n"))


ORIGINAL = Original()
COLLEAGUES_MAIL = Original(text="Hi Bob,\n\nthe build of v1.4.0 fails on arm64.\n\nCarol", subject="Build fails")
"""A mail of a colleague, for forwards."""


def mail(
    body: str | bytes,
    *,
    content_type: str = "text/plain; charset=utf-8",
    encoding: str = "8bit",
    headers: Sequence[str] = (),
    subject: str = f"Re: {ORIGINAL.subject}",
) -> bytes:
    """Return a mail whose body stands for itself: text with LF is sent with CRLF."""
    lines = [
        f"From: Bob Berg <{PERSON}>",
        f"To: Handrail <{BOT}>",
        f"Subject: {subject}",
        "Date: Mon, 30 Nov 2026 10:58:01 +0100",
        "Message-ID: <reply-1@corp.test>",
        f"In-Reply-To: {MESSAGE_ID}",
        f"References: {MESSAGE_ID}",
        *headers,
        "MIME-Version: 1.0",
        f"Content-Type: {content_type}",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    data = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


def part(body: str | bytes, content_type: str, *headers: str) -> bytes:
    """Return a part of a multipart mail."""
    data = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()
    lines = [f"Content-Type: {content_type}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def multipart(kind: str, *parts: bytes, boundary: str = "=_part_1") -> bytes:
    """Return the body of a multipart mail."""
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + content + b"\r\n" for content in parts) + mark + b"--\r\n"


def multipart_mail(kind: str, *parts: bytes, parameters: str = "", **fields) -> bytes:
    body = multipart(kind, *parts)
    return mail(body, content_type=f'multipart/{kind}; boundary="=_part_1"{parameters}', encoding="8bit", **fields)


def alternative(text: str, html: str, **fields) -> bytes:
    """Return a mail with the same content as text and as HTML."""
    return multipart_mail("alternative", part(text, "text/plain; charset=utf-8"), part(html, HTML_TYPE), **fields)


HTML_TYPE = "text/html; charset=utf-8"


def html_mail(html: str, **fields) -> bytes:
    return mail(html, content_type=HTML_TYPE, **fields)


def mark_quoted(text: str, mark: str = "> ") -> str:
    return "\n".join(f"{mark}{line}".rstrip() for line in text.split("\n"))


def wrap(text: str, width: int = 76) -> str:
    return "\n".join(
        wrapped for line in text.split("\n") for wrapped in (textwrap.wrap(line, width, break_long_words=False) or [""])
    )


def html_lines(text: str, tag: str = "div") -> str:
    """Return each line as a block of its own, an empty one as `<br>`."""
    return "".join(f"<{tag}>{escape(line) or '<br>'}</{tag}>" for line in text.split("\n"))


GMAIL_INTROS = {
    "en": f"On Mon, Nov 30, 2026 at 10:42 AM Handrail <{BOT}> wrote:",
    "de": f"Am Mo., 30. Nov. 2026 um 10:42 Uhr schrieb Handrail <{BOT}>:",
    "fr": f"Le lun. 30 nov. 2026 à 10:42, Handrail <{BOT}> a écrit :",
    "es": f"El lun, 30 nov 2026 a las 10:42, Handrail (<{BOT}>) escribió:",
    "it": f"Il giorno lun 30 nov 2026 alle ore 10:42 Handrail <{BOT}> ha scritto:",
    "pt": f"Em seg., 30 de nov. de 2026 às 10:42, Handrail <{BOT}> escreveu:",
    "nl": f"Op ma 30 nov 2026 om 10:42 schreef Handrail <{BOT}>:",
    "ja": f"2026年11月30日(月) 10:42 Handrail <{BOT}>:",
    "ru": f"пн, 30 нояб. 2026 г. в 10:42, Handrail <{BOT}>:",
    "pl": f"pon., 30 lis 2026 o 10:42 Handrail <{BOT}> napisał(a):",
    "sv": f"Den mån 30 nov. 2026 kl 10:42 skrev Handrail <{BOT}>:",
}


def gmail(text: str, language: str = "en", original: Original = ORIGINAL) -> bytes:
    intro = GMAIL_INTROS[language]
    quoted = mark_quoted(wrap(original.text, 72))
    html = (
        f'<div dir="ltr">{html_lines(text)}</div><br><div class="gmail_quote gmail_quote_container">'
        f'<div dir="ltr" class="gmail_attr">{escape(intro)}<br></div><blockquote class="gmail_quote" '
        f'style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">{original.html}'
        "</blockquote></div>"
    )
    return alternative(f"{text}\n\n{wrap(intro, 78)}\n\n{quoted}\n", html)


def gmail_bottom(text: str) -> bytes:
    """Return a reply below the quote, which the author placed there."""
    quoted, intro = mark_quoted(wrap(ORIGINAL.text, 72)), GMAIL_INTROS["en"]
    html = (
        f'<div dir="ltr"><div class="gmail_quote"><div class="gmail_attr">{escape(intro)}<br></div><blockquote '
        f'class="gmail_quote">{ORIGINAL.html}</blockquote></div>{html_lines(text)}</div>'
    )
    return alternative(f"{wrap(intro, 78)}\n\n{quoted}\n\n{text}\n", html)


OUTLOOK_HEADERS = {
    "en": ("From", "Sent", "To", "Subject", "Monday, November 30, 2026 10:42 AM"),
    "de": ("Von", "Gesendet", "An", "Betreff", "Montag, 30. November 2026 10:42"),
    "fr": ("De", "Envoyé", "À", "Objet", "lundi 30 novembre 2026 10:42"),
    "es": ("De", "Enviado el", "Para", "Asunto", "lunes, 30 de noviembre de 2026 10:42"),
    "it": ("Da", "Inviato", "A", "Oggetto", "lunedì 30 novembre 2026 10:42"),
    "pt": ("De", "Enviado", "Para", "Assunto", "segunda-feira, 30 de novembro de 2026 10:42"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp", "maandag 30 november 2026 10:42"),
}


def outlook_headers(language: str, original: Original = ORIGINAL, sender: str = f"Handrail <{BOT}>") -> list[str]:
    names, time = OUTLOOK_HEADERS[language][:4], OUTLOOK_HEADERS[language][4]
    values = (sender, time, f"Bob Berg <{PERSON}>", original.subject)
    return [f"{name}: {value}" for name, value in zip(names, values, strict=True)]


MSO_STYLE = "<style><!-- p.MsoNormal {margin:0cm; font-size:11.0pt;} --></style>"


def mso_lines(text: str) -> str:
    return "".join(f'<p class="MsoNormal">{escape(line) or "&nbsp;"}<o:p></o:p></p>' for line in text.split("\n"))


def mso_headers(headers: Sequence[str]) -> str:
    pairs = [header.partition(":") for header in headers]
    return "<br>".join(f"<b>{escape(name)}:</b>{escape(value)}" for name, _, value in pairs)


def outlook_desktop(
    text: str,
    language: str = "en",
    *,
    banner: str = "",
    original: Original = ORIGINAL,
    sender: str = f"Handrail <{BOT}>",
    **fields,
) -> bytes:
    headers = outlook_headers(language, original, sender)
    html = (
        f'<html xmlns:o="urn:schemas-microsoft-com:office:office"><head>{MSO_STYLE}</head><body>'
        f'{f"<table><tr><td>{escape(banner)}</td></tr></table>" if banner else ""}<div class="WordSection1">'
        f'{mso_lines(text)}<p class="MsoNormal"><o:p>&nbsp;</o:p></p><div style="border:none;border-top:solid #E1E1E1 '
        f'1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">'
        f"{mso_headers(headers)}"
        f"<o:p></o:p></p></div>{original.html}</div></body></html>"
    )
    above = f"{banner}\n\n" if banner else ""
    return alternative(above + f"{text}\n\n{chr(10).join(headers)}\n\n{original.text}\n", html, **fields)


def outlook_web(text: str, language: str = "en", signature: str = "", *, has_text: bool = True) -> bytes:
    headers = outlook_headers(language)
    html = (
        f'<html><body><div class="elementToProof">{html_lines(text)}</div>'
        f'<div id="Signature"><p>{escape(signature)}</p></div><div id="appendonsend"></div>'
        f'<hr style="display:inline-block;width:98%" tabindex="-1">'
        f'<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri" color="#000000">'
        f"{'<br>'.join(f'<b>{escape(header)}</b>' for header in headers)}</font><div>&nbsp;</div></div>"
        f"{ORIGINAL.html}</body></html>"
    )
    if not has_text:
        return html_mail(html)
    added = f"\n{signature}" if signature else ""
    return alternative(f"{text}\n{added}\n{'_' * 32}\n{chr(10).join(headers)}\n\n{ORIGINAL.text}\n", html)


def outlook_plain(text: str, mark: str = "-----Original Message-----", language: str = "en") -> bytes:
    return mail(f"{text}\n\n{mark}\n{chr(10).join(outlook_headers(language))}\n\n{ORIGINAL.text}\n")


APPLE_INTROS = {
    "en": f"On 30 Nov 2026, at 10:42, Handrail <{BOT}> wrote:",
    "de": f"Am 30.11.2026 um 10:42 schrieb Handrail <{BOT}>:",
    "fr": f"Le 30 nov. 2026 à 10:42, Handrail <{BOT}> a écrit :",
    "es": f"El 30 nov 2026, a las 10:42, Handrail <{BOT}> escribió:",
    "ja": f"2026/11/30 10:42、Handrail <{BOT}>のメール:",
    "nl": f"Op 30 nov 2026, om 10:42 heeft Handrail <{BOT}> het volgende geschreven:",
}


def apple_mail(text: str, language: str = "en", note: str = "") -> bytes:
    intro = APPLE_INTROS[language]
    added = f"\n\n{note}" if note else ""
    quoted = mark_quoted(f"{intro}\n\n{wrap(ORIGINAL.text, 72)}")
    html = (
        f'<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body style="overflow-'
        f'wrap: break-word;">{html_lines(text)}{f"<br><div>{escape(note)}</div>" if note else ""}<div><br><blockquote '
        f'type="cite"><div>{escape(intro)}</div><br class="Apple-interchange-newline"><div>{ORIGINAL.html}</div>'
        "</blockquote></div><br></body></html>"
    )
    return alternative(f"{text}{added}\n\n{quoted}\n", html)


def quoted_below(text: str, intro: str, *, signature: str = "", between: str = "\n", **fields) -> bytes:
    """Return a text mail above a marked quote, as most programs that send text only do."""
    added = f"\n\n{signature}" if signature else ""
    return mail(f"{text}{added}\n\n{intro}{between}{mark_quoted(wrap(ORIGINAL.text, 72))}\n", **fields)


def quoted_above(text: str, intro: str, *, signature: str = "", **fields) -> bytes:
    """Return a text mail below the quote, as Thunderbird and mutt suggest."""
    added = f"\n\n{signature}" if signature else ""
    return mail(f"{intro}\n{mark_quoted(wrap(ORIGINAL.text, 72))}\n\n{text}{added}\n", **fields)


def interleaved(texts: Sequence[str], intro: str) -> bytes:
    """Return a text mail with answers between the paragraphs of the quote."""
    quotes = [mark_quoted(paragraph) for paragraph in ORIGINAL.text.split("\n\n")[1:]]
    pieces = [piece for pair in zip(quotes, texts, strict=False) for piece in pair]
    return mail("\n\n".join([intro + "\n" + pieces[0], *pieces[1:], quotes[-1]]) + "\n")


def unmarked(text: str, intro: str, html_container: str, *, note: str = "", has_text: bool = True) -> bytes:
    """Return a mail whose quote has no marks in the text, as those of Yahoo; `html_container` holds `{quote}`."""
    added = f"\n\n{note}" if note else ""
    html = f"<div>{html_lines(text)}{html_lines(added.strip())}</div>" + html_container.replace(
        "{quote}", f"<div>{escape(intro)}</div>{ORIGINAL.html}"
    )
    if not has_text:
        return html_mail(html)
    return alternative(f"{text}{added}\n\n{intro}\n\n{ORIGINAL.text}\n", html)


def gmail_forward(text: str, original: Original = COLLEAGUES_MAIL) -> bytes:
    headers = [
        "From: Carol Cole <carol@corp.test>",
        "Date: Mon, Nov 30, 2026 at 9:01 AM",
        f"Subject: {original.subject}",
        f"To: Bob Berg <{PERSON}>",
    ]
    mark = "---------- Forwarded message ---------"
    html = (
        f'<div dir="ltr">{html_lines(text)}<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{mark}<br>'
        f"{'<br>'.join(map(escape, headers))}<br></div><br><br>{original.html}</div></div>"
    )
    plain = f"{text}\n\n{mark}\n{chr(10).join(headers)}\n\n\n{original.text}\n"
    return alternative(plain, html, subject=f"Fwd: {original.subject}")


def marked_forward(text: str, mark: str, headers: Sequence[str], *, is_quoted: bool = False) -> bytes:
    """Return a forward in text form: a mark, the headers of the mail, the mail."""
    content = f"{chr(10).join(headers)}\n\n{COLLEAGUES_MAIL.text}"
    below = mark_quoted(content) if is_quoted else content
    return mail(f"{text}\n\n{mark}\n\n{below}\n", subject=f"Fwd: {COLLEAGUES_MAIL.subject}")


def forward_as_attachment(text: str) -> bytes:
    inner = (
        b"From: Carol Cole <carol@corp.test>\r\nSubject: Build fails\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        + COLLEAGUES_MAIL.text.replace("\n", "\r\n").encode()
    )
    return multipart_mail(
        "mixed",
        part(text, "text/plain; charset=utf-8"),
        part(inner, "message/rfc822", 'Content-Disposition: attachment; filename="Build fails.eml"'),
        subject=f"Fwd: {COLLEAGUES_MAIL.subject}",
    )
