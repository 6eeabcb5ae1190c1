"""Texts that contain verbs and codes in many forms, and a search for what could become a command."""

from hypothesis import strategies as st

from channels.email.html_text import html_to_text
from channels.email.rendering import RenderedMail
from channels.email.verdicts import parse_line


def _widen(text: str) -> str:
    """Return the text in full-width letters, which NFKC turns into ASCII."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


_PIECES = st.sampled_from(
    [
        *(
            "APPROVE",
            "deny",
            "**Approve**",
            "_ANSWER_",
            "edit",
            "genehmigt",
            "APP\u200bROVE",
            "AP**PRO**VE",
            "APPROV&#69;",
        ),
        *("K7P2Q", "k7p2q", "**K7P2Q**", "K7P2Q,", "K7\u00adP2Q", "K7P2Q](https://x.test)"),
        *(_widen("APPROVE"), _widen("K7P2Q")),
        *(
            " ",
            " ",
            " ",
            "\u00a0",
            "\n",
            "\n\n",
            "> ",
            "- ",
            "1. ",
            "# ",
            "`",
            "[",
            "<b>",
            "x",
            "no",
            "“",
            "”",
            "|",
            "\\\n",
        ),
    ]
)
TEXTS = st.lists(_PIECES, max_size=14).map("".join)


def commands_in(text: str) -> list[str]:
    """Return each part of a text that is a verdict if a line begins with it, in any way of wrapping the lines."""
    words = text.split()
    return [line for i in range(len(words)) if parse_line(line := " ".join(words[i : i + 3]))]


def both_texts(mail: RenderedMail) -> tuple[str, str]:
    """Return the text of a mail and that of its HTML."""
    return mail.text, html_to_text(mail.html)
