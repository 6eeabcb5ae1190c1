"""Mails that are made to stop a reader: each takes quadratic time, deep recursion or much memory in some parser."""

from collections.abc import Callable

from tests.fakes.email.composers import alternative, html_mail, mail, multipart_mail, part

HEAD = b"From: a@corp.test\r\nTo: bot@example.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def nested_multipart(depth: int) -> bytes:
    opened = [b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)]
    return HEAD + b"".join(opened) + b"Content-Type: text/plain\r\n\r\nx\r\n"


def nested_messages(depth: int) -> bytes:
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: y\r\n\r\nx\r\n"


def many_parts(count: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"


def headers(value: bytes) -> bytes:
    return HEAD + value + b"\r\n\r\nx\r\n"


REJECTED: dict[str, Callable[[], bytes]] = {
    "20,000 parameters": lambda: headers(b"Content-Type: text/plain" + b"".join(b"; a%d=b" % n for n in range(20_000))),
    "parameters of RFC 2231": lambda: headers(
        b"Content-Type: text/plain" + b"".join(b"; name*%d*=%%41" % n for n in range(5_000))
    ),
    "parameters in a part": lambda: many_parts(1).replace(
        b"--b\r\n", b"--b\r\nContent-Type: a/b" + b"; c=d" * 20_000 + b"\r\n", 1
    ),
    "1,000 nested multiparts": lambda: nested_multipart(1_000),
    "25 nested multiparts": lambda: nested_multipart(25),
    "1,000 nested messages": lambda: nested_messages(1_000),
    "20,000 parts": lambda: many_parts(20_000),
    "3 million tiny parts": lambda: many_parts(3_000_000 // 8),
    "300 boundaries": lambda: (
        HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d--\r\n" % (n, n) for n in range(300))
    ),
    "encoded boundary": lambda: headers(b"Content-Type: multipart/mixed; boundary*0=b; boundary*1=c"),
    "100,000 headers": lambda: headers(b"X-A: b\r\n" * 30_000),
    "a header of 200 kB": lambda: headers(b"X-A: " + b"a " * 100_000),
    "a header block of 1 MB": lambda: headers(b"X-A: aaaaaaaaaaaaaaaaaaaa\r\n" * 40_000),
    "a folded header of 100,000 lines": lambda: headers(b"X-A: b\r\n" + b" c\r\n" * 60_000),
    "nested comments in From": lambda: headers(b"From: " + b"(" * 60_000 + b"a@corp.test"),
    "50,000 recipients": lambda: headers(b"To: " + b"a@b.test, " * 6_000),
    "60,000 newlines": lambda: mail("\n" * 60_000),
    "20 million newlines": lambda: HEAD + b"\r\n" + b"\n" * 20_000_000,
    "10 million bare CR": lambda: HEAD + b"\r\n" + b"\r" * 10_000_000,
    "a report of 300,000 recipients": lambda: (
        headers(b"Content-Type: message/delivery-status") + b"Action: failed\r\n\r\n" * 300_000
    ),
    "100,000 content headers": lambda: HEAD + b"\r\n" + b"Content-Type: message/rfc822\r\n" * 100_000,
    "30 MB": lambda: HEAD + b"\r\n" + b"a" * 30_000_000,
}
READ: dict[str, Callable[[], bytes]] = {
    "25 MB attachment": lambda: multipart_mail(
        "mixed",
        part("x", "text/plain"),
        part((b"A" * 76 + b"\r\n") * 330_000, "application/zip", "Content-Transfer-Encoding: base64"),
    ),
    "a line of 1 MB": lambda: mail("a " * 500_000),
    "On and a's": lambda: mail("On " + "a " * 20_000),
    "intro words": lambda: mail("Op " + "heeft " * 20_000 + "\n" + "On " * 20_000),
    "quote marks": lambda: mail(">" * 100_000 + "\n" + ">\n" * 20_000),
    "quotes with empty lines": lambda: mail(">a\n\n\n" * 5_000),
    "header lines": lambda: mail("From: a\n" * 20_000),
    "unknown header lines": lambda: mail("a: b\n" * 20_000),
    "colons": lambda: mail(":" * 100_000 + "\n" + "wrote:\n" * 5_000),
    "at signs": lambda: mail("a@" * 100_000),
    "digits": lambda: mail("1:" * 100_000 + "1." * 100_000),
    "underscores": lambda: mail("_" * 500_000),
    "format=flowed": lambda: mail("a \n" * 40_000, content_type="text/plain; format=flowed"),
    "PGP marks": lambda: mail("-----BEGIN PGP SIGNED MESSAGE-----\n" * 10_000),
    "100,000 attributes": lambda: html_mail("<div " + " ".join(f"a{n}=1" for n in range(100_000)) + ">x"),
    "200,000 nested elements": lambda: html_mail("<div>" * 190_000),
    "nested block quotes": lambda: html_mail("<blockquote>" * 80_000 + "x"),
    "nested links": lambda: html_mail("<a href=http://a>" * 50_000),
    "inline elements": lambda: html_mail("<b>a</b> " * 100_000),
    "style rules": lambda: html_mail("<style>" + "a{color:red}" * 80_000 + "</style>" + "<a>b</a>" * 10_000),
    "style declarations": lambda: html_mail(f"<p style='{'a:b;' * 200_000}'>x"),
    "classes": lambda: html_mail(f"<p class='{'a ' * 400_000}'>x"),
    "CSS comments": lambda: html_mail("<style>" + "/*" * 400_000),
    "HTML comments": lambda: html_mail("<!--" * 200_000),
    "character references": lambda: html_mail("&#x41;" * 160_000),
    "less-than signs": lambda: html_mail("<" * 900_000),
    "breaks": lambda: html_mail("<br>" * 250_000),
    "both forms long": lambda: alternative("APPROVE K7P2Q\n" * 20_000, "<p>APPROVE K7P2Q</p>" * 20_000),
    "encoded words": lambda: headers(b"Subject: " + b"=?a?q?" * 10_000),
    "references": lambda: headers(b"References: " + b"<a@b>" * 10_000),
    "less-than signs in References": lambda: headers(b"References: " + b"<" * 60_000),
    "zip entries": lambda: multipart_mail("mixed", part(b"PK\x03\x04" + b"PK\x01\x02" * 1_000_000, "application/zip")),
    "binary text": lambda: mail(bytes(range(256)) * 4_000, content_type="text/plain; charset=x"),
    "punycode": lambda: mail("a-" * 100_000, content_type="text/plain; charset=punycode"),
}
