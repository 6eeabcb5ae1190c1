"""Checks for agents and channels. No model is called.

Agents: their definitions, the model's server, and the deploy agent's repository. Channels: the checks of their plugins,
and whether the channels of other packages can be loaded.
"""

import asyncio
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import ConfigurationError, HandrailError
from agents.core.visible_text import escape_hidden_characters
from agents.deploy.git import Git, normalize_remote, redact_remote
from agents.deploy.repository import create_empty_repository
from agents.registry import AgentRegistry
from bot.config.settings import Settings
from channels.abilities import Finding, FindingState
from channels.registry import BuiltChannel, build_channels

_TIMEOUT_SECONDS = 20.0
_MAX_LISTED_MODELS = 5


def check_registry(registry: AgentRegistry) -> Iterator[Finding]:
    """Yield which agents are loaded from where, and a finding for every mistake in the others."""
    names = ", ".join(f"{one.name} ({one.source})" for one in registry.loaded) or "none"
    yield Finding(name="agents", state="ok", message=f"loaded: {names}")
    for effect, issues in (("prevents the start", registry.built_in_issues), ("left out", registry.other_issues)):
        for issue in issues:
            fix = "correct it and restart the server; `handrail agents check` lists all mistakes"
            message = escape_hidden_characters(f"{effect}: {issue}")
            yield Finding(name="agents", state="problem", message=message, fix=fix)


ModelListing = tuple[str, ...] | Completion
ModelLister = Callable[[Settings], ModelListing]


def fetch_model_names(settings: Settings) -> ModelListing:
    """Return the names of the server's models, or the failed request. This is free of charge: no model is called."""
    return asyncio.run(_fetch_model_names(settings))


def check_model(settings: Settings, fetch_names: ModelLister = fetch_model_names) -> Finding:
    """Return which model is configured, and whether its server answers, accepts the key and has the model."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        message = "no model is configured; agents understand only their commands"
        return Finding(
            name="model", state="ok", message=message, fix="to use one, set OPENAI_API_KEY or OPENAI_BASE_URL"
        )
    host = urlsplit(settings.openai_base_url or "").hostname or "api.openai.com"
    if settings.openai_base_url and settings.openai_model is None:
        message, fix = (
            f"OPENAI_MODEL is not set, so {host} gets OpenAI's default",
            "set OPENAI_MODEL to one of its models",
        )
        return Finding(name="model", state="warning", message=message, fix=fix)
    return _check_model_server(settings, host, fetch_names(settings))


def _check_model_server(settings: Settings, host: str, listing: ModelListing) -> Finding:
    model = settings.openai_model
    if isinstance(listing, Completion):
        is_temporary_failure = listing.outcome in (CompletionOutcome.FAILED, CompletionOutcome.RATE_LIMITED)
        state: FindingState = "warning" if is_temporary_failure else "problem"
        fix = listing.operator_hint or "check that OPENAI_BASE_URL can be reached from here, and try again"
        return Finding(name="model", state=state, message=escape_hidden_characters(listing.detail), fix=fix)
    if model is not None and listing and model not in listing:
        listed_models = ", ".join(escape_hidden_characters(name) for name in listing[:_MAX_LISTED_MODELS])
        message = f"{host} does not list {model}; it has {listed_models}"
        return Finding(name="model", state="warning", message=message, fix="set OPENAI_MODEL to one of its models")
    return Finding(name="model", state="ok", message=f"{model or 'the default model'} at {host}, which answers")


async def _fetch_model_names(settings: Settings) -> ModelListing:
    from bot.config.model_client import open_model  # noqa: PLC0415 - importing it takes 0.5 s, needless without a model

    try:
        server = open_model(settings, timeout_seconds=_TIMEOUT_SECONDS)
    except ConfigurationError as error:
        return Completion(outcome=CompletionOutcome.BAD_REQUEST, model="", detail=str(error))
    try:
        return await server.list_models()
    finally:
        await server.close()


def check_deploy_repository(settings: Settings) -> Iterator[Finding]:
    """Yield whether the deploy agent's repository answers."""
    if settings.deploy_repo is None:
        yield Finding(name="deploy", state="ok", message="DEPLOY_REPO is not set: the agent uses its sample repository")
        return
    try:
        remote = normalize_remote(settings.deploy_repo.get_secret_value())
        _contact_remote(remote, settings)
    except HandrailError as error:
        fix = "set DEPLOY_REPO to a path or URL for git push"
        yield Finding(name="deploy", state="problem", message=str(error), fix=fix)
    else:
        yield Finding(name="deploy", state="ok", message=f"{redact_remote(remote)} answers")


def _contact_remote(remote: str, settings: Settings) -> None:
    """Run `git ls-remote` in an empty temporary repository. Raises HandrailError."""
    environment = settings.agent_environment
    with tempfile.TemporaryDirectory(prefix="handrail-doctor-") as folder:
        create_empty_repository(Path(folder) / "empty.git", environment)
        Git(Path(folder) / "empty.git", remote, environment).run(
            "ls-remote", "--quiet", "origin", timeout=_TIMEOUT_SECONDS
        )


def check_channels(settings: Settings) -> Iterator[Finding]:
    """Yield the findings of all channels.

    No message is sent and nothing is stored; a temporary key stands in for a missing secret key.
    """
    key = settings.secret_key or SecretStr(
        secrets.token_urlsafe(32)
    )  # nothing that is signed with it leaves the doctor
    for built in build_channels(settings.model_copy(update={"secret_key": key})):
        yield from _check_channel(built)


def _check_channel(built: BuiltChannel) -> Iterable[Finding]:
    if built.error is not None:
        return [_error_finding(built, built.error)]
    if built.plugin is None:
        return []
    problems = [] if built.plugin.problem is None else [_problem(built.name, built.plugin.problem)]
    if not built.is_external:
        return [*problems, *built.plugin.doctor_checks()]
    try:
        return [*problems, *built.plugin.doctor_checks()]
    except Exception as error:  # noqa: BLE001 - the code of another distribution can fail in any way
        return [*problems, _error_finding(built, error)]


def _error_finding(built: BuiltChannel, error: Exception) -> Finding:
    if isinstance(error, ConfigurationError):
        return _problem(built.name, str(error))
    description = escape_hidden_characters(f"{built.import_path} failed with {type(error).__name__}: {error}")
    return _problem(built.name, f"the channel is left out: {description}", "correct the package, or uninstall it")


def _problem(name: str, message: str, fix: str | None = None) -> Finding:
    return Finding(name=escape_hidden_characters(name), state="problem", message=message, fix=fix)
