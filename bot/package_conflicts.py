"""Detection of packages of other distributions that are imported instead of Handrail's own packages.

It runs before anything of these packages is imported and therefore imports only the standard library.
"""

from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("agents", "channels", "storage")
_SOURCE_FOLDER = Path(__file__).resolve().parents[1]
_DISTRIBUTIONS = {"agents": "openai-agents", "channels": "channels"}
"""Distributions that are known to install a package of the same name. Handrail needs none of them."""


def find_conflict(source_folder: Path = _SOURCE_FOLDER, path: Sequence[str] | None = None) -> str | None:
    """Return which package hides one of Handrail's and how to repair that, or None. `path` defaults to sys.path."""
    for name in PACKAGES:
        spec = PathFinder.find_spec(name, None if path is None else list(path))
        if spec is None or spec.origin is None:
            return f"Handrail's package `{name}` is missing; install Handrail again"
        if (folder := Path(spec.origin).resolve().parent) != source_folder / name:
            return _describe_conflict(name, folder)
    return None


def _describe_conflict(name: str, folder: Path) -> str:
    from importlib.metadata import packages_distributions  # noqa: PLC0415 - slow, and needed only here

    installed = sorted(set(packages_distributions().get(name, ())) - {"handrail"}) if _is_installed(folder) else []
    known = [_DISTRIBUTIONS[name]] if _DISTRIBUTIONS.get(name) in installed else installed
    if not known:
        return (
            f"Python finds {folder} instead of Handrail's package `{name}`, so Handrail cannot start: "
            "rename that folder, or start in another folder"
        )
    return (
        f"the distribution {known[0]} installs a package `{name}` in {folder}, and Python finds it instead of "
        f"Handrail's package of that name, so Handrail cannot start. Run `pip uninstall {known[0]}`: Handrail does not "
        "need it. If another program does, give Handrail a virtual environment of its own"
    )


def _is_installed(folder: Path) -> bool:
    return "site-packages" in folder.parts or "dist-packages" in folder.parts
