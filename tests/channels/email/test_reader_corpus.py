"""Replies in the styles of many mail programs: the new text of most is exact, the verdicts and files of all are."""

import json
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from channels.email.reader import read_mail
from channels.email.values import MailEnvelope, ParsedMail, SenderVerdict
from tests.fakes.email.make_corpus import FOLDER, list_cases
from tests.harness.time_limits import promised_seconds

FILES = sorted(FOLDER.glob("*.eml"))
VERBS = {"approve", "deny", "genehmigt", "approuvé"}
CODES = {"K7P2Q", "M3N4R"}
MIN_STYLES, MIN_EXACT_SHARE = 60, 55 / 60
ENVELOPE = MailEnvelope(
    mail_from="bob@corp.test", recipients=("bot@example.test",), peer="127.0.0.1", helo="mx.corp.test", protocol="smtp"
)


def read(path: Path) -> ParsedMail:
    return read_mail(path.read_bytes(), ENVELOPE, accept_sender)


def accept_sender(_raw: bytes, _from_headers: object, _envelope: MailEnvelope) -> SenderVerdict:
    return SenderVerdict(address="bob@corp.test", is_authenticated=True, method="dkim", reason="test")


def expectations(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return loaded


def verdict_lines(mail: ParsedMail) -> list[str]:
    """Return the lines that begin with a verb and a code, in any emphasis."""
    return [line for line in mail.decision_lines if _is_verdict(*[*line.replace("*", " ").split(), "", ""][:2])]


def _is_verdict(verb: str, code: str) -> bool:
    return verb.lower() in VERBS and code.rstrip(".") in CODES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_verdicts_attachments_and_quotes_are_exact(path: Path) -> None:
    mail, expected = read(path), expectations(path)
    assert verdict_lines(mail) == expected["verdicts"]
    assert [attachment.name for attachment in mail.attachments] == expected["attachments"]
    assert [[quote.author, quote.text] for quote in mail.quotes] == expected["quotes"]


def test_new_text_is_exact_in_nearly_all_styles(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, wrong = [], []
    for path in FILES:
        started_at = perf_counter()
        mail = read(path)
        seconds.append(perf_counter() - started_at)
        if mail.new_text != expectations(path)["new_text"]:
            wrong.append(path.stem)
    with capsys.disabled():
        print(  # noqa: T201 - the score is a result of the test run
            f"\nnew text exact in {len(FILES) - len(wrong)} of {len(FILES)} styles; wrong: {wrong}; median "
            f"{median(seconds) * 1000:.1f} ms"
        )
    assert len(FILES) >= MIN_STYLES
    assert len(wrong) <= len(FILES) * (1 - MIN_EXACT_SHARE)
    assert median(seconds) <= promised_seconds(0.02)


def test_files_are_those_that_the_composers_make() -> None:
    cases = list_cases()
    assert [case.name for case in cases] == [path.stem for path in FILES]
    for case, path in zip(cases, FILES, strict=True):
        assert path.read_bytes() == case.mail, case.name
        assert path.with_suffix(".json").read_text(encoding="utf-8") == case.expectations(), case.name
