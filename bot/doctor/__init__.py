"""Checks of `handrail doctor`: everything that Handrail needs. They change nothing and call no model."""

from collections.abc import Callable, Iterator

from agents.core.errors import ConfigurationError
from bot.config.installation import load_agents, load_installation
from bot.config.loader import Configuration
from bot.config.settings import Settings, load_settings
from bot.doctor.agents import check_channels, check_deploy_repository, check_model, check_registry
from bot.doctor.database import check_database, is_database_locked_by_server
from bot.doctor.system import check_approvers, check_machine, check_server, check_tokens
from bot.doctor.threads import thread_findings_of_server
from channels.abilities import Finding
from channels.terminal.client import TerminalClient

__all__ = ["Finding", "run_checks"]

ClientFactory = Callable[[Settings], TerminalClient]


def run_checks(create_client: ClientFactory) -> Iterator[Finding]:
    """Run all checks and yield their findings. `create_client` returns a client for the running server."""
    yield from check_machine()
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield from _error_findings("settings", error)
        return
    yield Finding(name="settings", state="ok", message=f"environment variables are valid ({settings.environment})")
    registry = load_agents(settings)
    yield from check_registry(registry)
    yield from _check_configuration(settings)
    yield check_model(settings)
    yield from check_deploy_repository(settings)
    yield from check_database(settings, registry.names)
    yield from check_channels(settings)
    yield from check_server(create_client(settings))
    if is_database_locked_by_server(settings):
        yield from thread_findings_of_server(create_client(settings))


def _check_configuration(settings: Settings) -> Iterator[Finding]:
    try:
        installation = load_installation(settings)
    except ConfigurationError as error:
        yield from _error_findings("configuration", error)
        return
    configuration = installation.configuration
    yield Finding(name="configuration", state="ok", message=_describe_configuration(configuration))
    for warning in configuration.warnings:
        yield Finding(name="configuration", state="warning", message=str(warning))
    yield from check_approvers(configuration, installation.registry.tools)
    yield check_tokens(settings, configuration.people)


def _describe_configuration(configuration: Configuration) -> str:
    if configuration.source is None:
        return "there is no handrail.toml: one person, `you`, may do everything"
    return f"{configuration.source}: {len(configuration.people.members)} people, {len(configuration.rules)} rules"


def _error_findings(name: str, error: ConfigurationError) -> Iterator[Finding]:
    for line in str(error).splitlines():
        yield Finding(name=name, state="problem", message=line)
