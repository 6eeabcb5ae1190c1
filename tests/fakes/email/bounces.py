"""Bounces in the forms of real mail servers, and other mail that arrives at a return path."""

from email.message import Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.parser import HeaderParser
from email.policy import SMTP

RECIPIENT, RETURN_PATH = "alice@corp.test", "bot+b1@bot.test"
RETURNED = (
    "From: bot@bot.test\r\nTo: alice@corp.test\r\nSubject: Approval\r\nMessage-ID: <m1@bot.test>\r\n\r\nAPPROVE?\r\n"
)


def _report(headers: dict[str, str], text: str, status_blocks: str, *, has_returned: bool = True) -> bytes:
    report = MIMEMultipart("report", **{"report-type": "delivery-status"})
    for name, value in {"To": RETURN_PATH, **headers}.items():
        report[name] = value
    report.attach(MIMEText(text))
    status = MIMENonMultipart("message", "delivery-status")
    status.set_payload([_parse(f"{block.strip()}\n") for block in status_blocks.split("\n\n")])
    report.attach(status)
    if has_returned:
        report.attach(MIMEMessage(_parse(RETURNED)))
    return report.as_bytes(policy=SMTP)


def _parse(text: str) -> Message:
    return HeaderParser().parsestr(text)


def postfix_bounce(status: str = "5.1.1", action: str = "failed") -> bytes:
    return _report(
        {
            "From": "MAILER-DAEMON@mail.corp.test (Mail Delivery System)",
            "Subject": "Undelivered Mail Returned to Sender",
            "Auto-Submitted": "auto-replied",
        },
        "This is the mail system at host mail.corp.test.\n\n"
        "I'm sorry to have to inform you that your message could not be delivered.\n\n"
        f"<{RECIPIENT}>: host mx.corp.test[192.0.2.1] said: 550 {status} User unknown (in reply to RCPT TO command)\n",
        "Reporting-MTA: dns; mail.corp.test\nX-Postfix-Queue-ID: 4F1A2B3C\nX-Postfix-Sender: rfc822; bot@bot.test\n"
        "Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000 (UTC)\n\n"
        f"Final-Recipient: rfc822; {RECIPIENT}\nOriginal-Recipient: rfc822;{RECIPIENT}\nAction: {action}\n"
        f"Status: {status}\nRemote-MTA: dns; mx.corp.test\nDiagnostic-Code: smtp; 550 {status} User unknown\n",
    )


def exchange_bounce(status: str = "5.1.10") -> bytes:
    return _report(
        {
            "From": "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@corp.test>",
            "Subject": "Undeliverable: Approval",
            "X-MS-Exchange-Message-Is-Ndr": "",
            "Auto-Submitted": "auto-replied",
        },
        f"Delivery has failed to these recipients or groups:\n\n{RECIPIENT}\nThe email address wasn't found.\n",
        "Reporting-MTA: dns;AM0PR04MB1234.eurprd04.prod.outlook.com\n"
        "Received-From-MTA: dns;AM0PR04MB5678.eurprd04.prod.outlook.com\n"
        "Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000\n\n"
        f"Final-Recipient: rfc822;{RECIPIENT}\nAction: failed\nStatus: {status}\n"
        f"Diagnostic-Code: smtp;550 {status} RESOLVER.ADR.RecipientNotFound; Recipient not found\n"
        f"X-Display-Name: {RECIPIENT}\n",
    )


def gmail_bounce(status: str = "5.2.1") -> bytes:
    return _report(
        {
            "From": "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            "Subject": "Delivery Status Notification (Failure)",
            "Auto-Submitted": "auto-replied",
            "X-Failed-Recipients": RECIPIENT,
        },
        f"** Address not found **\n\nYour message wasn't delivered to {RECIPIENT}.\n",
        "Reporting-MTA: dns; googlemail.com\nArrival-Date: Mon, 30 Nov 2026 02:00:00 -0800 (PST)\n"
        "X-Original-Message-ID: <m1@bot.test>\n\n"
        f"Final-Recipient: rfc822; {RECIPIENT}\nAction: failed\nStatus: {status}\n"
        "Remote-MTA: dns; gmail-smtp-in.l.google.com. (142.250.1.27, the server for the domain corp.test.)\n"
        f"Diagnostic-Code: smtp; 550-{status} The email account that you tried to reach is inactive.\n"
        "Last-Attempt-Date: Mon, 30 Nov 2026 02:00:01 -0800 (PST)\n",
    )


def exim_bounce() -> bytes:
    """Return a bounce of Exim 4.8x, which is plain text with a header for each recipient."""
    mail = MIMEText(
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {RECIPIENT}\n    host mx.corp.test [192.0.2.1]\n"
        f"    SMTP error from remote mail server after RCPT TO:<{RECIPIENT}>:\n    550 5.7.1 Rejected\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{RETURNED}"
    )
    mail["From"] = "Mail Delivery System <Mailer-Daemon@mail.corp.test>"
    mail["To"] = RETURN_PATH
    mail["Subject"] = "Mail delivery failed: returning message to sender"
    mail["X-Failed-Recipients"] = RECIPIENT
    mail["Auto-Submitted"] = "auto-replied"
    return mail.as_bytes(policy=SMTP)


def qmail_bounce() -> bytes:
    mail = MIMEText(
        "Hi. This is the qmail-send program at mail.corp.test.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{RECIPIENT}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        f"--- Below this line is a copy of the message.\n\n{RETURNED}"
    )
    mail["From"], mail["To"], mail["Subject"] = "MAILER-DAEMON@mail.corp.test", RETURN_PATH, "failure notice"
    return mail.as_bytes(policy=SMTP)


def out_of_office() -> bytes:
    """Return an absence message, which goes to the return path with the null sender (RFC 3834 §4)."""
    mail = MIMEText("I am out of the office until 7 December and cannot deliver anything. Call 555-0199.\n")
    mail["From"], mail["To"], mail["Subject"] = f"Alice <{RECIPIENT}>", RETURN_PATH, "Automatic reply: Approval"
    mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"] = "auto-replied", "All"
    return mail.as_bytes(policy=SMTP)


def read_receipt() -> bytes:
    """Return a disposition notification (RFC 8098)."""
    report = MIMEMultipart("report", **{"report-type": "disposition-notification"})
    report["From"], report["To"], report["Subject"] = RECIPIENT, RETURN_PATH, "Read: Approval"
    report.attach(MIMEText("Your message was read.\n"))
    notification = MIMENonMultipart("message", "disposition-notification")
    notification.set_payload(
        f"Final-Recipient: rfc822;{RECIPIENT}\nDisposition: manual-action/MDN-sent-manually; displayed\n"
    )
    report.attach(notification)
    return report.as_bytes(policy=SMTP)
