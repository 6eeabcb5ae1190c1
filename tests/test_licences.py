"""Licences of the dependencies are those that the ADRs name, and none is a GPL."""

import re
import tomllib
from importlib.metadata import Distribution, distribution, requires

from packaging.requirements import Requirement

from tests.document_rules import ROOT, Document

ADRS = [
    Document(ROOT / "docs/adr" / name)
    for name in ("0012-dependencies.md", "0033-email-libraries.md", "0037-twilio-library.md")
]


def licence_text(package: Distribution) -> str:
    """Return the licence expression and the licence classifiers of a package."""
    metadata = package.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
    return " ".join([metadata.get("License-Expression") or metadata.get("License") or "", *classifiers])


def test_licences_are_those_named_in_the_adrs() -> None:
    tables = "\n".join(adr.prose for adr in ADRS)
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([A-Z]\w+) \|", tables, re.MULTILINE)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {re.split(r"[^\w.-]", requirement)[0] for requirement in declared} == {name for name, _ in rows}
    assert [name for name, named in rows if named not in licence_text(distribution(name))] == []


def test_no_dependency_has_a_gpl_licence() -> None:
    licences = {name: licence_text(distribution(name)) for name in transitive_dependencies("handrail")}
    assert len(licences) > 20
    suspect = {name for name, text in licences.items() if re.search(r"GPL|General Public", text) or not text}
    assert suspect == {"psycopg", "psycopg-binary", "psycopg-pool"}, "the LGPL permits importing an unmodified package"


def transitive_dependencies(name: str) -> set[str]:
    """Return the names of all packages that the package requires, directly or not."""
    found: set[Requirement] = set()
    unvisited = [Requirement(name)]
    while unvisited:
        for requirement in direct_requirements(unvisited.pop()) - found:
            found.add(requirement)
            unvisited.append(requirement)
    return {requirement.name.lower() for requirement in found}


def direct_requirements(package: Requirement) -> set[Requirement]:
    """Return the package's requirements in this environment, including those of the requested extras."""
    requirements = map(Requirement, requires(package.name) or [])
    return {r for r in requirements if any(is_required(r, extra) for extra in (*package.extras, ""))}


def is_required(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
