"""The deploy agent: proposes releases and roll-backs of one real git repository (CONTRACT §6)."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agents.agent import Agent
from agents.budget import Budget
from agents.commands import Commands
from agents.deploy.git import INHERITED_VARIABLES
from agents.deploy.remote import cache_name, normalize_remote
from agents.deploy.sample import REMOTE_FOLDER, ensure_sample_remote
from agents.deploy.tools import current_release, list_commits, list_tags, push_release_tag, roll_back
from agents.errors import ConfigurationError

_AGENT_FOLDER = Path(__file__).parent


def set_up(folder: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the tools find in their context: DEPLOY_REPO (the sample when unset), DEPLOY_CACHE, and what git needs.

    Raises Misconfigured when DEPLOY_REPO makes no sense. Without the git program there is no sample; the tools say so
    when they are used, and everything else works.
    """
    home = folder.resolve()
    remote = normalize_remote(environment.get("DEPLOY_REPO") or str(home / "sample" / REMOTE_FOLDER))
    if not environment.get("DEPLOY_REPO"):
        with suppress(ConfigurationError):
            ensure_sample_remote(home / "sample", environment)
    passed_on = {name: environment[name] for name in INHERITED_VARIABLES if name in environment}
    return {**passed_on, "DEPLOY_REPO": remote, "DEPLOY_CACHE": str(home / "cache" / cache_name(remote))}


AGENT = Agent(
    name="deploy",
    purpose="Says what is deployed where, releases tags and rolls back, with a person's approval.",
    instructions=(_AGENT_FOLDER / "instructions.md").read_text(encoding="utf-8"),
    tools=(list_commits, list_tags, current_release, push_release_tag, roll_back),
    commands=Commands.load(_AGENT_FOLDER / "commands.toml"),
    prefetch=("list_tags", "current_release"),
    budget=Budget(steps=400, tokens=500_000),
    set_up=set_up,
)
