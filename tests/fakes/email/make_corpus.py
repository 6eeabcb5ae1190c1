"""Corpus of replies: writes `tests/payloads/email/NAME.eml` with the expectations in `NAME.json`.

    python -m tests.fakes.email.make_corpus

No mail is a real one. The test of the corpus checks that the files are those that this module makes.
"""

# ruff: noqa: RUF001 - mails in several languages

import base64
import json
import quopri
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fakes.email import composers as c

FOLDER = Path(__file__).parents[2] / "payloads" / "email"

APPROVE = "APPROVE K7P2Q"
DENY = "DENY K7P2Q wrong tag\n\nPlease use v1.4.1 instead."
QUESTION = "Why is this needed?\nI see no ticket for it."
SEVERAL = "APPROVE K7P2Q\nDENY M3N4R not today"
GENEHMIGT = "Hallo,\n\ngenehmigt K7P2Q\n\nViele Grüße\nBob"
APPROUVE = "Approuvé K7P2Q.\n\nMerci !"
COLLEAGUES_QUOTE = ("Carol Cole <carol@corp.test>", c.COLLEAGUES_MAIL.text)


@dataclass(frozen=True)
class Case:
    """A mail and its expectations: verdict lines, names of attachments, author and text of forwarded mails."""

    name: str
    mail: bytes
    new_text: str
    verdicts: Sequence[str] = ()
    attachments: Sequence[str] = ()
    quotes: Sequence[tuple[str, str]] = ()

    def expectations(self) -> str:
        values = {key: value for key, value in asdict(self).items() if key not in {"name", "mail"}}
        return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def approved(name: str, mail: bytes) -> Case:
    return Case(name, mail, APPROVE, [APPROVE])


def denied(name: str, mail: bytes) -> Case:
    return Case(name, mail, DENY, ["DENY K7P2Q wrong tag"])


def asked(name: str, mail: bytes) -> Case:
    return Case(name, mail, QUESTION)


def decided_twice(name: str, mail: bytes) -> Case:
    return Case(name, mail, SEVERAL, SEVERAL.split("\n"))


def gmail_cases() -> Iterator[Case]:
    yield approved("gmail_en", c.gmail(APPROVE))
    yield Case("gmail_de", c.gmail(GENEHMIGT, "de"), GENEHMIGT, ["genehmigt K7P2Q"])
    yield Case("gmail_fr", c.gmail(APPROUVE, "fr"), APPROUVE, ["Approuvé K7P2Q."])
    yield denied("gmail_es", c.gmail(DENY, "es"))
    yield asked("gmail_it", c.gmail(QUESTION, "it"))
    yield decided_twice("gmail_pt", c.gmail(SEVERAL, "pt"))
    yield approved("gmail_nl", c.gmail(APPROVE, "nl"))
    yield denied("gmail_ja", c.gmail(DENY, "ja"))
    yield asked("gmail_ru", c.gmail(QUESTION, "ru"))
    yield approved("gmail_pl", c.gmail(APPROVE, "pl"))
    yield approved("gmail_sv", c.gmail(APPROVE, "sv"))
    yield Case("gmail_below_quote", c.gmail_bottom(DENY), DENY)
    yield Case("gmail_emphasis", _gmail_emphasis(), "*APPROVE K7P2Q*\n\nlooks *good*", [APPROVE])


def _gmail_emphasis() -> bytes:
    intro = c.GMAIL_INTROS["en"]
    html = (
        '<div dir="ltr"><div><b>APPROVE K7P2Q</b></div><div><br></div><div>looks <b>good</b></div></div><br>'
        f'<div class="gmail_quote"><div class="gmail_attr">On Mon</div><blockquote>{c.ORIGINAL.html}</blockquote></div>'
    )
    text = f"*APPROVE K7P2Q*\n\nlooks *good*\n\n{c.wrap(intro)}\n\n{c.mark_quoted(c.wrap(c.ORIGINAL.text, 72))}\n"
    return c.alternative(text, html)


def outlook_cases() -> Iterator[Case]:
    for language, make, text in [
        ("en", approved, APPROVE),
        ("fr", denied, DENY),
        ("es", asked, QUESTION),
        ("it", decided_twice, SEVERAL),
        ("pt", approved, APPROVE),
        ("nl", denied, DENY),
    ]:
        yield make(f"outlook_desktop_{language}", c.outlook_desktop(text, language))
    caution = (
        "CAUTION: This email originated from outside of the organization. Do not click links or attachments unless "
        "you recognize the sender and know the content is safe."
    )
    mail = c.outlook_desktop(APPROVE, "de", banner=caution)
    yield Case("outlook_desktop_de_banner", mail, APPROVE, [APPROVE])
    yield Case("outlook_desktop_de", c.outlook_desktop(GENEHMIGT, "de"), GENEHMIGT, ["genehmigt K7P2Q"])
    yield approved("outlook_web_en", c.outlook_web(APPROVE))
    yield denied("outlook_web_de", c.outlook_web(DENY, "de"))
    yield asked("outlook_web_html_only", c.outlook_web(QUESTION, "en", has_text=False))
    yield approved("outlook_ios", c.outlook_web(APPROVE, signature="Get Outlook for iOS<https://aka.ms/o0ukef>"))
    yield denied("outlook_android_de", c.outlook_web(DENY, "de", signature="Outlook für Android herunterladen"))
    yield approved("outlook_text_en", c.outlook_plain(APPROVE))
    yield denied("outlook_text_de", c.outlook_plain(DENY, "-----Ursprüngliche Nachricht-----", "de"))
    yield asked("outlook_text_fr", c.outlook_plain(QUESTION, "-----Message d'origine-----", "fr"))
    container = '<div id="mail-editor-reference-message-container"><div>{quote}</div></div>'
    headers = "\n".join(c.outlook_headers("en"))
    yield approved("outlook_new", c.unmarked(APPROVE, headers, container))
    container = (
        '<div style="padding-top:5px; border-top-color:rgb(229, 229, 229); border-top-width:1px; '
        'border-top-style:solid;">{quote}</div>'
    )
    yield denied("windows_mail", c.unmarked(DENY, headers, container, has_text=False))


def apple_cases() -> Iterator[Case]:
    yield approved("apple_mail_en", c.apple_mail(APPROVE))
    yield denied("apple_mail_de", c.apple_mail(DENY, "de"))
    yield asked("apple_mail_fr", c.apple_mail(QUESTION, "fr"))
    yield approved("apple_mail_es", c.apple_mail(APPROVE, "es"))
    yield decided_twice("apple_mail_ja", c.apple_mail(SEVERAL, "ja"))
    yield approved("apple_mail_nl", c.apple_mail(APPROVE, "nl"))
    yield approved("iphone_en", c.apple_mail(APPROVE, note="Sent from my iPhone"))
    yield denied("iphone_de", c.apple_mail(DENY, "de", note="Von meinem iPhone gesendet"))


def text_cases() -> Iterator[Case]:
    bird = "On 11/30/26 10:42, Handrail wrote:"
    flowed = "text/plain; charset=utf-8; format=flowed"
    yield approved("thunderbird_above", c.quoted_below(APPROVE, bird, content_type=flowed))
    yield Case("thunderbird_below", c.quoted_above(DENY, bird, content_type=flowed), DENY)
    german = "Am 30.11.26 um 10:42 schrieb Handrail:"
    yield denied("thunderbird_de", c.quoted_below(DENY, german, signature="-- \nBob Berg\nRelease Management"))
    yield Case(
        "thunderbird_interleaved",
        c.interleaved(["Who asked for it?", "Which build is that?"], bird),
        "Who asked for it?\n\nWhich build is that?",
    )
    yield Case(
        "mutt_below",
        c.quoted_above(APPROVE, "On Mon, Nov 30, 2026 at 10:42:11AM +0100, Handrail wrote:", signature="-- \nBob"),
        APPROVE,
    )
    k9_note = "-- \nSent from my Android device with K-9 Mail. Please excuse my brevity."
    k9 = f"On 30 November 2026 10:42:11 GMT+01:00, Handrail <{c.BOT}> wrote:"
    yield approved("k9_mail", c.quoted_below(APPROVE, k9, signature=k9_note))
    proton = f"On Monday, November 30th, 2026 at 10:42, Handrail <{c.BOT}> wrote:"
    yield denied(
        "proton", c.quoted_below(DENY, proton, signature="Sent with Proton Mail secure email.", between="\n\n")
    )
    yield asked("roundcube", c.quoted_below(QUESTION, "On 2026-11-30 10:42, Handrail wrote:"))
    yield approved("evolution", c.quoted_below(APPROVE, "On Mon, 2026-11-30 at 10:42 +0100, Handrail wrote:"))
    yield denied("kmail", c.quoted_below(DENY, "On Monday, November 30, 2026 10:42:11 AM CET Handrail wrote:"))
    yield approved("fastmail", c.quoted_below(APPROVE, "On Mon, Nov 30, 2026, at 10:42 AM, Handrail wrote:"))
    yield asked("spark", c.quoted_below(QUESTION, f"On Nov 30, 2026, 10:42 AM +0100, Handrail <{c.BOT}>, wrote:"))
    yield approved(
        "zoho", c.quoted_below(APPROVE, f"---- On Mon, 30 Nov 2026 10:42:11 +0100 Handrail <{c.BOT}> wrote ----")
    )
    yield Case("the_bat", _the_bat(DENY), f"Hello Handrail,\n\n{DENY}")
    yield asked("emacs_gnus", c.quoted_below(QUESTION, f"Handrail <{c.BOT}> writes:"))
    yield approved("no_quote", c.mail(APPROVE))
    yield Case("sentence", c.mail("Should we approve K7P2Q today?"), "Should we approve K7P2Q today?")
    yield Case("verdict_in_quote", c.mail(f"What do you think?\n\n> {APPROVE}\n"), "What do you think?")


def _the_bat(text: str) -> bytes:
    quoted = c.mark_quoted(c.wrap(c.ORIGINAL.text, 70), "> ")
    return c.mail(f"Hello Handrail,\n\nMonday, November 30, 2026, 10:42:11 AM, you wrote:\n\n{quoted}\n\n{text}\n")


def unmarked_cases() -> Iterator[Case]:
    yahoo = f"On Monday, November 30, 2026 at 10:42:11 AM GMT+1, Handrail <{c.BOT}> wrote:"
    container = '<div id="yahoo_quoted_1234" class="yahoo_quoted"><div>{quote}</div></div>'
    yield approved("yahoo_en", c.unmarked(APPROVE, yahoo, container))
    german = f"Am Montag, 30. November 2026 um 10:42:11 MEZ hat Handrail <{c.BOT}> Folgendes geschrieben:"
    yield denied("yahoo_de", c.unmarked(DENY, german, container))
    note = "Sent from Yahoo Mail on Android"
    yield asked("yahoo_android", c.unmarked(QUESTION, yahoo, container, note=note))
    gmx = (
        f"Gesendet: Montag, 30. November 2026 um 10:42 Uhr\nVon: Handrail <{c.BOT}>\nAn: {c.PERSON}\nBetreff: Approval"
    )
    container = (
        '<div name="quote" style="margin:10px 5px 5px 10px; padding: 10px 0 10px 10px; border-left:2px solid #C3D9E5; '
        'word-wrap: break-word;">{quote}</div>'
    )
    yield approved("gmx_html_only", c.unmarked(APPROVE, gmx, container, has_text=False))
    yield denied("web_de", c.unmarked(DENY, gmx, container))
    yandex = f'30.11.2026, 10:42, "Handrail" <{c.BOT}>:'
    yield approved("yandex_html_only", c.unmarked(APPROVE, yandex, "<blockquote>{quote}</blockquote>", has_text=False))
    tutanota = f"30. Nov. 2026, 10:42 von {c.BOT}:"
    container = '<blockquote class="tutanota_quote">{quote}</blockquote>'
    yield asked("tutanota", c.unmarked(QUESTION, tutanota, container, has_text=False))
    samsung = "\n".join(
        [
            "-------- Original message --------",
            f"From: Handrail <{c.BOT}>",
            "Date: 30/11/2026 10:42 (GMT+01:00)",
            "To: Bob",
        ]
    )
    yield approved("samsung", c.unmarked(APPROVE, samsung, "<div>{quote}</div>", note="Sent from my Galaxy"))
    notes = (
        f"Von:\tHandrail <{c.BOT}>\nAn:\tBob Berg/Corp@Corp\nDatum:\t30.11.2026 10:42\nBetreff:\tApproval K7P2Q\n\n\n"
    )
    yield denied("lotus_notes_de", c.mail(f"{DENY}\n\n\n\n{notes}{c.ORIGINAL.text}\n"))
    mail_ru = f"Понедельник, 30 ноября 2026, 10:42 +03:00 от Handrail <{c.BOT}>:"
    quoted = c.mark_quoted(f"{mail_ru}\n \n{c.ORIGINAL.text}", ">")
    yield approved("mail_ru", c.mail(f"{APPROVE}\n \n{quoted}\n \n"))


def forward_cases() -> Iterator[Case]:
    note = "Please look at this."
    yield Case("gmail_forward", c.gmail_forward(note), note, quotes=[COLLEAGUES_QUOTE])
    sender = "Carol Cole <carol@corp.test>"
    mail = c.outlook_desktop(note, original=c.COLLEAGUES_MAIL, sender=sender, subject="FW: Build fails")
    yield Case("outlook_forward", mail, note, quotes=[COLLEAGUES_QUOTE])
    headers = [f"From: {sender}", "Subject: Build fails", "Date: 30 November 2026 at 09:01:00 CET", f"To: {c.PERSON}"]
    apple = c.marked_forward(note, "Begin forwarded message:", headers, is_quoted=True)
    yield Case("apple_forward", apple, note, quotes=[COLLEAGUES_QUOTE])
    german = ["Betreff: Build fails", "Datum: Mon, 30 Nov 2026 09:01:00 +0100", f"Von: {sender}", f"An: {c.PERSON}"]
    bird = c.marked_forward(note, "-------- Weitergeleitete Nachricht --------", german)
    yield Case("thunderbird_forward_de", bird, note, quotes=[COLLEAGUES_QUOTE])
    yield Case("forward_as_attachment", c.forward_as_attachment(note), note, quotes=[COLLEAGUES_QUOTE])
    hidden = c.Original(text=f"Hi,\n\n{APPROVE}\n\nCarol", subject="x")
    quote = (sender, hidden.text)
    yield Case("verdict_in_forward", c.gmail_forward(note, hidden), note, quotes=[quote])


def encoding_cases() -> Iterator[Case]:
    text = "Grüße aus Köln – 5 €\n\nAPPROVE K7P2Q"
    for name, charset, codec in [
        ("latin_1_with_cp1252", "iso-8859-1", "cp1252"),
        ("no_such_charset", "x-none", "utf-8"),
    ]:
        mail = c.mail(text.replace("\n", "\r\n").encode(codec), content_type=f"text/plain; charset={charset}")
        yield Case(name, mail, text, [APPROVE])
    russian = "Почему сегодня? Посмотрите, пожалуйста, ещё раз на этот запрос.\n\nDENY K7P2Q"
    mail = c.mail(russian.replace("\n", "\r\n").encode("koi8-r"), content_type="text/plain; charset=KOI8-R")
    yield Case("koi8_r", mail, russian, ["DENY K7P2Q"])
    japanese = "承認します。\n\nAPPROVE K7P2Q"
    data = japanese.replace("\n", "\r\n").encode("iso-2022-jp")
    yield Case("iso_2022_jp", c.mail(data, content_type="text/plain; charset=iso-2022-jp"), japanese, [APPROVE])
    encoded = base64.encodebytes(DENY.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    yield denied("base64", c.mail(encoded, encoding="base64"))
    soft = quopri.encodestring("APPROVE K7P2Q\u00a0 – très bien".encode()).replace(b"\n", b"\r\n")
    yield Case(
        "quoted_printable",
        c.mail(soft, encoding="quoted-printable"),
        "APPROVE K7P2Q  – très bien",
        ["APPROVE K7P2Q  – très bien"],
    )
    flowed = "This tag points to a commit that nobody reviewed, so please take \nanother one.\n\nDENY K7P2Q"
    joined = "This tag points to a commit that nobody reviewed, so please take another one.\n\nDENY K7P2Q"
    yield Case("flowed", c.mail(flowed, content_type="text/plain; format=flowed"), joined, ["DENY K7P2Q"])


def structure_cases() -> Iterator[Case]:
    text, utf_8 = c.part(APPROVE, "text/plain; charset=utf-8"), "text/plain; charset=utf-8"
    pdf = c.part(
        base64.encodebytes(b"%PDF-1.7 test"),
        "application/pdf",
        'Content-Disposition: attachment; filename="a.pdf"',
        "Content-Transfer-Encoding: base64",
    )
    yield Case("attachment", c.multipart_mail("mixed", text, pdf), APPROVE, [APPROVE], ["a.pdf"])
    encoded_name = c.part(
        b"a,b\r\n", "text/csv", "Content-Disposition: attachment; filename*=utf-8''L%C3%B6hne%20%E2%82%AC.csv"
    )
    yield Case(
        "attachment_rfc_2231", c.multipart_mail("mixed", text, encoded_name), APPROVE, [APPROVE], ["Löhne €.csv"]
    )
    tnef = c.part(
        base64.encodebytes(b"\x78\x9f\x3e\x22" + bytes(40)), "application/ms-tnef", "Content-Transfer-Encoding: base64"
    )
    yield Case("winmail_dat", c.multipart_mail("mixed", text, tnef), APPROVE, [APPROVE], ["winmail.dat"])
    smime = c.part(
        base64.encodebytes(b"\x30\x82" + bytes(40)),
        "application/pkcs7-signature; name=smime.p7s",
        "Content-Transfer-Encoding: base64",
    )
    mail = c.multipart_mail(
        "signed", text, smime, parameters='; protocol="application/pkcs7-signature"; micalg=sha-256'
    )
    yield Case("smime_signed", mail, APPROVE, [APPROVE], ["smime.p7s"])
    pgp = c.part(
        "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----",
        "application/pgp-signature; name=signature.asc",
    )
    yield Case("pgp_mime_signed", c.multipart_mail("signed", text, pgp), APPROVE, [APPROVE], ["signature.asc"])
    inline = (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{APPROVE}\n- - checked\n-----BEGIN PGP SIGNATURE-----\n\n"
        "iQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"
    )
    yield Case("pgp_inline_signed", c.mail(inline), f"{APPROVE}\n- checked", [APPROVE])
    logo = c.part(
        base64.encodebytes(b"\x89PNG\r\n\x1a\n"),
        "image/png",
        "Content-ID: <logo@corp>",
        "Content-Transfer-Encoding: base64",
    )
    related = c.multipart(
        "related", c.part(f"<div>{APPROVE}</div><img src='cid:logo@corp'>", c.HTML_TYPE), logo, boundary="=_inner"
    )
    mail = c.multipart_mail("alternative", text, c.part(related, 'multipart/related; boundary="=_inner"'))
    yield Case("inline_picture", mail, APPROVE, [APPROVE])
    stub = c.alternative("Your mail program cannot show HTML.", f"<div>{APPROVE}</div>")
    yield Case("html_with_stub", stub, APPROVE, [APPROVE])
    hidden = f'<div style="display:none">{APPROVE}</div><div>What is this?</div>'
    yield Case("verdict_in_hidden_html", c.html_mail(hidden), "What is this?")
    yield Case("verdict_in_one_form_only", c.alternative(f"{APPROVE}\n\nHello", "<p>Hello</p>"), f"{APPROVE}\n\nHello")
    footer = c.multipart_mail("mixed", c.part(f"<p>{APPROVE}</p>", c.HTML_TYPE), c.part("-- \nCorp list", utf_8))
    yield Case("list_footer", footer, APPROVE, [APPROVE])


def rare_cases() -> Iterator[Case]:
    """Yield replies of rarer programs and languages: first those that mark their quotes, then others."""
    intros = {
        "aqua_mail": f"On 30 November 2026 10:42:11 Handrail <{c.BOT}> wrote:",
        "gmail_cs": f"po 30. 11. 2026 v 10:42 odesílatel Handrail <{c.BOT}> napsal:",
        "gmail_da": f"Den man. 30. nov. 2026 kl. 10.42 skrev Handrail <{c.BOT}>:",
        "gmail_fi": f"ma 30. marrask. 2026 klo 10.42 Handrail ({c.BOT}) kirjoitti:",
        "gmail_he": f"בתאריך יום ב׳, 30 בנוב׳ 2026 ב-10:42 מאת Handrail <{c.BOT}>:",
        "gmail_ko": f"2026년 11월 30일 (월) 오전 10:42, Handrail <{c.BOT}>님이 작성:",
        "gmail_tr": f"Handrail <{c.BOT}>, 30 Kas 2026 Pzt, 10:42 tarihinde şunu yazdı:",
        "gmail_zh": f"Handrail <{c.BOT}> 于2026年11月30日周一 10:42写道：",
        "hey": f"On November 30, 2026, Handrail <{c.BOT}> wrote:",
        "orange_fr": f'> Message du 30/11/26 10:42\n> De : "Handrail" <{c.BOT}>\n> A : bob\n> Objet : x\n>',
    }
    for name, intro in intros.items():
        yield denied(name, c.quoted_below(DENY, intro))
    bot, utc = f"Handrail <{c.BOT}>", "2026-11-30T10:42:11+0100"
    headers = {
        "lotus_notes_old": f"{' ' * 9}Handrail\n{' ' * 9}<{c.BOT}>{' ' * 20}To\n{' ' * 9}11/30/2026 10:42{' ' * 9}Bob",
        "missive": f"On Nov 30, 2026 at 10:42:11 am, {bot} wrote:",
        "netease_163": f'At 2026-11-30 10:42:11, "Handrail" <{c.BOT}> wrote:\n\n>Hello',
        "outlook_cs": f"Od: {bot}\nOdesláno: pondělí 30. listopadu 2026 10:42\nKomu: Bob\nPředmět: x",
        "outlook_ja": f"差出人: {bot}\n送信日時: 2026年11月30日 10:42\n宛先: Bob\n件名: x",
        "outlook_pl": f"Od: {bot}\nWysłane: poniedziałek, 30 listopada 2026 10:42\nDo: Bob\nTemat: x",
        "outlook_ru": f"От: {bot}\nОтправлено: 30 ноября 2026 г. 10:42\nКому: Bob\nТема: x",
        "outlook_sv": f"Från: {bot}\nSkickat: den 30 november 2026 10:42\nTill: Bob\nÄmne: x",
        "outlook_tr": f"Kimden: {bot}\nGönderildi: 30 Kasım 2026 Pazartesi 10:42\nKime: Bob\nKonu: x",
        "qq_mail": f"{'-' * 18} 原始邮件 {'-' * 18}\n发件人: {bot};\n发送时间: 2026年11月30日 上午10:42\n主题: x",
        "t_online": f"-----Original-Nachricht-----\nBetreff: x\nDatum: {utc}\nVon: {bot}\nAn: Bob",
    }
    for name, header in headers.items():
        yield denied(name, c.mail(f"{DENY}\n\n{header}\n\n{c.ORIGINAL.text}\n"))


def list_cases() -> list[Case]:
    """Return all cases in the order of their names."""
    groups = (
        gmail_cases,
        outlook_cases,
        apple_cases,
        text_cases,
        unmarked_cases,
        forward_cases,
        encoding_cases,
        structure_cases,
        rare_cases,
    )
    return sorted((case for group in groups for case in group()), key=lambda case: case.name)


def main() -> None:
    """Write the files of all cases."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for case in list_cases():
        (FOLDER / f"{case.name}.eml").write_bytes(case.mail)
        (FOLDER / f"{case.name}.json").write_text(case.expectations(), encoding="utf-8")
    sys.stdout.write(f"{len(list_cases())} mails in {FOLDER}\n")


if __name__ == "__main__":
    main()
