"""The deploy agent: proposes releases and roll-backs of one real git repository (CONTRACT §6)."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agents.agent import Agent
from agents.budget import Budget
from agents.commands import Commands
from agents.deploy.git import PASSED_ON
from agents.deploy.remote import cache_name, remote_address
from agents.deploy.sample import REMOTE, sample_remote
from agents.deploy.tools import current_release, list_commits, list_tags, push_release_tag, roll_back
from agents.errors import Misconfigured

_HERE = Path(__file__).parent


def set_up(folder: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the tools find in their context: DEPLOY_REPO (the sample when unset), DEPLOY_CACHE, and what git needs.

    Raises Misconfigured when DEPLOY_REPO makes no sense. Without the git program there is no sample; the tools say so
    when they are used, and everything else works.
    """
    home = folder.resolve()
    remote = remote_address(environment.get("DEPLOY_REPO") or str(home / "sample" / REMOTE))
    if not environment.get("DEPLOY_REPO"):
        with suppress(Misconfigured):
            sample_remote(home / "sample", environment)
    passed_on = {name: environment[name] for name in PASSED_ON if name in environment}
    return {**passed_on, "DEPLOY_REPO": remote, "DEPLOY_CACHE": str(home / "cache" / cache_name(remote))}


AGENT = Agent(
    name="deploy",
    purpose="Says what is deployed where, releases tags and rolls back, with a person's approval.",
    instructions=(_HERE / "instructions.md").read_text(encoding="utf-8"),
    tools=(list_commits, list_tags, current_release, push_release_tag, roll_back),
    commands=Commands.read(_HERE / "commands.toml"),
    prefetch=("list_tags", "current_release"),
    budget=Budget(steps=400, tokens=500_000),
    set_up=set_up,
)
