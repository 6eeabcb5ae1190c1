"""Checks of the channels: those of their plugins, and whether the channels of other packages can be loaded."""

import secrets
from collections.abc import Iterable, Iterator

from pydantic import SecretStr

from agents.core.errors import ConfigurationError
from agents.core.visible_text import escape_hidden_characters
from bot.config.settings import Settings
from channels.finding import Finding
from channels.installed import BuiltChannel
from channels.registry import build_channels


def check_channels(settings: Settings) -> Iterator[Finding]:
    """Yield the findings of all channels. Nothing is sent or changed; a missing secret key is not generated."""
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
