"""The deploy agent: proposes releases and rollbacks of a git repository."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agents.core.agent import Agent
from agents.core.completion import Budget
from agents.core.errors import ConfigurationError
from agents.deploy.git import INHERITED_VARIABLES, cache_name, normalize_remote
from agents.deploy.sample import REMOTE_FOLDER, ensure_sample_remote
from agents.deploy.tools import current_release, list_commits, list_tags, push_release_tag, roll_back
from agents.loading.toml_document import load_commands

_AGENT_FOLDER = Path(__file__).parent


def set_up(data_folder: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings of the tools: DEPLOY_REPO (the sample when unset), DEPLOY_CACHE, and git's variables.

    DEPLOY_REPO is the remote repository, DEPLOY_CACHE the folder of its local clone. `environment` has the environment
    variables of the process.

    Raises ConfigurationError when DEPLOY_REPO is invalid. Without the git program no sample is created; the tools
    report that when they are called.
    """
    home = data_folder.resolve()
    remote = normalize_remote(environment.get("DEPLOY_REPO") or str(home / "sample" / REMOTE_FOLDER))
    if not environment.get("DEPLOY_REPO"):
        with suppress(ConfigurationError):
            ensure_sample_remote(home / "sample", environment)
    inherited = {name: environment[name] for name in INHERITED_VARIABLES if name in environment}
    return {**inherited, "DEPLOY_REPO": remote, "DEPLOY_CACHE": str(home / "cache" / cache_name(remote))}


AGENT = Agent(
    name="deploy",
    purpose="Shows what is deployed where, releases tags and rolls back, with a person's approval.",
    instructions=(_AGENT_FOLDER / "instructions.md").read_text(encoding="utf-8"),
    tools=(list_commits, list_tags, current_release, push_release_tag, roll_back),
    commands=load_commands(_AGENT_FOLDER / "commands.toml"),
    prefetch=("list_tags", "current_release"),
    budget=Budget(steps=400, tokens=500_000),
    set_up=set_up,
)
