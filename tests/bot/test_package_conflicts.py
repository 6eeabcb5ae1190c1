"""Tests that a package with the name of one of Handrail's packages is recognized and named with the fix."""

from pathlib import Path

from bot.package_conflicts import find_conflict
from tests.harness.cli import ROOT, CliFolder


def install(site_packages: Path, package: str, distribution: str) -> None:
    """Write a package and the metadata that pip writes."""
    metadata = site_packages / f"{distribution.replace('-', '_')}-1.dist-info"
    for folder in (site_packages / package, metadata):
        folder.mkdir(parents=True)
    (site_packages / package / "__init__.py").write_text("")
    (metadata / "METADATA").write_text(f"Name: {distribution}\nVersion: 1\n")
    (metadata / "RECORD").write_text(f"{package}/__init__.py,,\n")


def test_own_packages_are_no_conflict() -> None:
    assert find_conflict() is None


def test_start_names_openai_agents_and_the_fix(tmp_path: Path) -> None:
    install(tmp_path / "site-packages", "agents", "openai-agents")
    result = CliFolder(tmp_path).run("doctor", PYTHONPATH=f"{tmp_path / 'site-packages'}:{ROOT}")
    assert (result.exit_code, result.out) == (1, "")
    assert "the distribution openai-agents installs a package `agents`" in result.err
    assert "`pip uninstall openai-agents`" in result.err


def test_other_distribution_and_folder_are_named(tmp_path: Path) -> None:
    install(tmp_path / "site-packages", "channels", "channels")
    conflict = find_conflict(path=[str(tmp_path / "site-packages"), str(ROOT)])
    assert conflict is not None
    assert str(tmp_path) in conflict
    (tmp_path / "work" / "storage").mkdir(parents=True)
    (tmp_path / "work" / "storage" / "__init__.py").write_text("")
    conflict = find_conflict(path=[str(tmp_path / "work"), str(ROOT)])
    assert conflict is not None
    assert "rename that folder" in conflict


def test_folder_of_agents_without_a_module_is_no_conflict(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    assert find_conflict(path=[str(tmp_path), str(ROOT)]) is None
