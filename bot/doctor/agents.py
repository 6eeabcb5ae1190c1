"""What agents need: a model, and the repository they work on. No model is called."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agents.completion import Completion, CompletionOutcome
from agents.deploy.git import Git
from agents.deploy.remote import normalize_remote, redact_remote
from agents.deploy.repository import create_empty_repository
from agents.errors import ConfigurationError, HandrailError
from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding, FindingState
from bot.settings import Settings

_TIMEOUT_SECONDS = 20.0
_MAX_NAMES = 5


ModelListing = tuple[str, ...] | Completion
ModelLister = Callable[[Settings], ModelListing]


def fetch_model_names(settings: Settings) -> ModelListing:
    """Return the models of the server, or how the question failed. It costs nothing, and no model answers."""
    return asyncio.run(_fetch_model_names(settings))


def check_model(settings: Settings, fetch_names: ModelLister = fetch_model_names) -> Finding:
    """Say which model answers, and whether its server is there, takes the key and has it."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        told = "no model is set: agents understand the commands they know, offline"
        return Finding(name="model", state="ok", message=told, fix="for more, set OPENAI_API_KEY or OPENAI_BASE_URL")
    where = urlsplit(settings.openai_base_url or "").hostname or "api.openai.com"
    if settings.openai_base_url and settings.openai_model is None:
        told, fix = f"{where} is asked for a model of OpenAI's", "set OPENAI_MODEL to the name of a model it has"
        return Finding(name="model", state="warning", message=told, fix=fix)
    return _check_model_server(settings, where, fetch_names(settings))


def _check_model_server(settings: Settings, host: str, listing: ModelListing) -> Finding:
    name = settings.openai_model
    if isinstance(listing, Completion):
        is_busy = listing.outcome in (CompletionOutcome.FAILED, CompletionOutcome.RATE_LIMITED)
        state: FindingState = "warning" if is_busy else "problem"
        fix = listing.operator_hint or "look whether OPENAI_BASE_URL is reached from here, and try again"
        return Finding(name="model", state=state, message=escape_hidden_characters(listing.detail), fix=fix)
    if name is not None and listing and name not in listing:
        names = ", ".join(escape_hidden_characters(one) for one in listing[:_MAX_NAMES])
        message = f"{host} does not list {name}; it has {names}"
        return Finding(name="model", state="warning", message=message, fix="set OPENAI_MODEL to one that it has")
    return Finding(name="model", state="ok", message=f"{name or 'the default model'} at {host}, which answers")


async def _fetch_model_names(settings: Settings) -> ModelListing:
    from bot.model_client import open_model  # noqa: PLC0415 - 0.5 s nobody offline should wait for

    try:
        server = open_model(settings, timeout_seconds=_TIMEOUT_SECONDS)
    except ConfigurationError as error:
        return Completion(outcome=CompletionOutcome.BAD_REQUEST, model="", detail=str(error))
    try:
        return await server.list_models()
    finally:
        await server.close()


def check_deploy_repository(settings: Settings) -> Iterator[Finding]:
    """Whether the deploy agent's repository answers."""
    said = settings.deploy_repo
    if said is None:
        yield Finding(name="deploy", state="ok", message="DEPLOY_REPO is not set: the agent works on its sample")
        return
    try:
        remote = normalize_remote(said.get_secret_value())
        _contact_remote(remote, settings)
    except HandrailError as error:
        yield Finding(name="deploy", state="problem", message=str(error), fix="set DEPLOY_REPO to what git can push to")
    else:
        yield Finding(name="deploy", state="ok", message=f"{redact_remote(remote)} answers")


def _contact_remote(remote: str, settings: Settings) -> None:
    """Ask the remote for its head, from an empty repository that is gone afterwards. Raises HandrailError."""
    environment = settings.agent_environment
    with tempfile.TemporaryDirectory(prefix="handrail-doctor-") as folder:
        create_empty_repository(Path(folder) / "empty.git", environment)
        Git(Path(folder) / "empty.git", remote, environment).run(
            "ls-remote", "--quiet", "origin", timeout=_TIMEOUT_SECONDS
        )
