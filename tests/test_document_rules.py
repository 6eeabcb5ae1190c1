"""Each rule for documents reports its mistake and accepts what is right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.codec import EVENT_SCHEMA_VERSIONS
from tests.document_rules import (
    ADR_HEADINGS,
    MAX_ARCHITECTURE_LINES,
    Document,
    DocumentRule,
    check_addresses,
    check_adr,
    check_adr_numbers,
    check_commands,
    check_event_names,
    check_glossary,
    check_length,
    check_links,
    check_make_targets,
    check_paths,
    check_settings,
    find_documents,
    find_mistakes,
)

WriteDocument = Callable[..., Document]
ADR = "# 0001 Use events\n\n" + "".join(f"## {heading}\n\n{'Text.' * 3}\n\n\n" for heading in ADR_HEADINGS) + "\n" * 3
GLOSSARY = "".join(f"| word {n} | meaning | `check_links` in `tests/rules.py` |\n" for n in range(31))


@pytest.fixture
def write_document(tmp_path: Path) -> WriteDocument:
    """Return a function that writes a document into a small source tree."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "rules.py").write_text("def check_links(): ...\n")
    (tmp_path / "Makefile").write_text("test-all: x\nup: x\n")

    def write(text: str, name: str = "README.md") -> Document:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return Document(path, tmp_path)

    return write


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        (check_links, "See [it](missing.md).", "See [it](tests/rules.py#part) and [that](https://example.com/x)."),
        (check_paths, "See `tests/missing.py`.", "See `tests/rules.py`, `tests/*.py` and `handrail.toml`."),
        (check_paths, "See `missing.md`.", "Write `agents/new.py`:\n\n```python file agents/new.py\n1\n```\n"),
        (check_addresses, "Use pypi.org.", "Use the package index."),
        (check_addresses, "See /home/alice.", "See `docs/home/alice`."),
        (check_commands, "Run `handrail fly`.", "Run `handrail up`, or type `/handrail help` in Slack."),
        (check_commands, "Run `handrail threads fly`.", "Run `handrail threads list`."),
        (check_commands, "```\n$ .venv/bin/handrail fly\n```\n", "```\nhandrail fly\n```\n"),
        (check_make_targets, "Run `make tea`.", "Run `make test-all`."),
        (check_make_targets, "```\n$ make tea\n```\n", "```\n$ make up\n```\n"),
        (check_settings, "| `HANDRAIL_TEA` | x |", "| `DATABASE_URL` | x |\n\nSet `MAX_TEA`."),
    ],
)
def test_mistake_in_a_document_is_reported(
    rule: DocumentRule, wrong: str, right: str, write_document: WriteDocument
) -> None:
    assert len(list(rule(write_document(wrong)))) == 1
    assert list(rule(write_document(right))) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (ADR.replace("0001", "0002"), "title"),
        (ADR.replace("Binds", "See also"), "headings"),
        (ADR + "\n" * 20, "lines"),
    ],
)
def test_deviation_of_an_adr_is_reported(text: str, mistake: str, write_document: WriteDocument) -> None:
    [found] = check_adr(write_document(text, "docs/adr/0001-events.md"))
    assert mistake in found
    assert list(check_adr(write_document(ADR, "docs/adr/0001-events.md"))) == []
    assert list(check_adr(write_document(text))) == []


def test_gap_in_the_numbers_of_adrs_is_reported() -> None:
    assert list(check_adr_numbers(["0002-b.md", "0001-a.md"])) == []
    assert "0002" in "".join(check_adr_numbers(["0001-a.md", "0003-c.md"]))
    assert "0002" in "".join(check_adr_numbers(["0001-a.md", "0001-b.md"]))


def test_long_architecture_document_is_reported(write_document: WriteDocument) -> None:
    text = "x\n" * (MAX_ARCHITECTURE_LINES + 1)
    assert len(list(check_length(write_document(text, "ARCHITECTURE.md")))) == 1
    assert list(check_length(write_document(text))) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (GLOSSARY + GLOSSARY.splitlines(keepends=True)[0], "word 0 has two rows"),
        (GLOSSARY.replace("check_links", "check_tea", 1), "no check_tea in tests/rules.py"),
        (GLOSSARY.replace("tests/rules.py", "tests/tea.py", 1), "no check_links in tests/tea.py"),
        ("", "only 0 rows"),
    ],
)
def test_mistake_in_the_glossary_is_reported(text: str, mistake: str, write_document: WriteDocument) -> None:
    assert list(check_glossary(write_document(GLOSSARY, "docs/glossary.md"))) == []
    assert mistake in "".join(check_glossary(write_document(text, "docs/glossary.md")))


def test_event_without_explanation_is_reported(write_document: WriteDocument) -> None:
    names, file = [f"`{event}`" for event in EVENT_SCHEMA_VERSIONS], "docs/adr/0013-event-names.md"
    assert list(check_event_names(write_document(" ".join(names), file))) == []
    assert len(list(check_event_names(write_document(" ".join(names[1:]), file)))) == 1


def test_mistakes_have_the_path_of_their_document(write_document: WriteDocument) -> None:
    root = write_document("[it](missing.md)", "docs/howto/page.md").root
    assert list(find_mistakes(find_documents(root))) == ["docs/howto/page.md: the link missing.md leads to no file"]
