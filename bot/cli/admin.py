"""`handrail config`, `doctor` and `migrate`: check and show the configuration, and migrate the database."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text
from typer import Exit, Typer

from agents.core.config_issues import ConfigIssue
from agents.core.errors import ConfigurationError
from bot.cli.api_client import build_client
from bot.cli.output import JsonOption, print_issues, print_json, print_message, print_view
from bot.config.database import database_url, migrate_database
from bot.config.environment import load_variables
from bot.config.installation import load_installation
from bot.config.loader import Configuration
from bot.config.secrets import list_token_grants
from bot.config.settings import Settings, load_settings
from bot.doctor import Finding, run_checks
from channels.terminal.views import table

config_app = Typer(no_args_is_help=True, help="Check and show settings and configuration.")

_URL_SETTINGS = ("database_url", "smtp_url", "deploy_repo")
_USERINFO_PATTERN = re.compile(r"(?<=://)[^/\s]*@")


@config_app.command()
def check(*, as_json: JsonOption = False) -> None:
    """Report every mistake with its file, line and key. Exits with 1 when there are errors besides warnings."""
    issues = _find_config_errors()
    print_issues(issues, as_json=as_json)
    if any(issue.severity == "error" for issue in issues):
        raise Exit(1)
    _print_token_grants(load_settings())
    print_message("no mistakes")


def _print_token_grants(settings: Settings) -> None:
    """Print the scopes of each configured token, but never its secret."""
    if settings.handrail_api_tokens:
        for grant in list_token_grants(settings, load_installation(settings).configuration.people):
            print_message(f"token {grant.name} ({grant.holder}): {', '.join(grant.scopes)}")


def _find_config_errors() -> list[ConfigIssue]:
    try:
        installation = load_installation(load_settings())
    except ConfigurationError as error:
        return list(error.details or [ConfigIssue(message=str(error))])
    return [*installation.registry.other_issues, *installation.configuration.warnings]


@config_app.command("show")
def show_config(*, as_json: JsonOption = False) -> None:
    """Show the settings and where each comes from. Secrets are masked."""
    settings = load_settings()
    sources, installation = _describe_settings(settings), load_installation(settings).configuration
    if as_json:
        return print_json({"settings": sources, "configuration": _configuration_json(installation)})
    rows = [(name, _format_value(setting["value"]), setting["from"]) for name, setting in sources.items()]
    print_view(settings, table(("setting", "value", "from"), rows))
    return print_message(f"configuration: {installation.source or 'no handrail.toml; one person, `you`'}")


def _configuration_json(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration with the public names of its fields, `everybody` and `own_requests`."""
    fields = configuration.model_dump(mode="json")
    fields["people"] = {"everybody": fields["people"]["members"]}
    return {"own_requests" if name == "allow_self_approval" else name: value for name, value in fields.items()}


def _describe_settings(settings: Settings) -> dict[str, Mapping[str, Any]]:
    env_file = load_variables(Path(".env"))
    return {
        name.upper(): {"value": value, "from": _setting_source(settings, name.upper(), env_file)}
        for name, value in _masked_values(settings).items()
    }


def _masked_values(settings: Settings) -> dict[str, Any]:
    """Return all values with secrets masked. In a URL only the user information is masked."""
    urls = {name: url for name in _URL_SETTINGS if (url := getattr(settings, name)) is not None}
    masked_urls = {name: _USERINFO_PATTERN.sub("***@", url.get_secret_value()) for name, url in urls.items()}
    return {**settings.model_dump(mode="json"), **masked_urls}


def _setting_source(settings: Settings, name: str, env_file: Mapping[str, str]) -> str:
    value = settings.get_variable(name)
    if value is None:
        return "default"
    return ".env" if env_file.get(name, "").strip() == value.get_secret_value() else "environment"


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ":".join(_format_value(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_format_value, value))
    return "" if value is None else str(value)


doctor_app = Typer()

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@doctor_app.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Check the installation and suggest fixes. Exits with 1 when there is a problem."""
    findings = list(run_checks(build_client))
    if as_json:
        print_json([finding.model_dump(by_alias=True) for finding in findings])
    else:
        print_view(None, table(("", "", "found", "what to do"), _rows(findings)))
    if any(finding.state == "problem" for finding in findings):
        raise Exit(1)


def _rows(findings: Sequence[Finding]) -> list[tuple[Text | str, ...]]:
    return [(Text(f.state, style=_STYLES[f.state]), f.name, f.message, f.fix or "") for f in findings]


migrate_app = Typer()


@migrate_app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Migrate the database to this version. Running it again changes nothing."""
    before, after = migrate_database(database_url(load_settings()))
    if as_json:
        print_json({"before": before, "after": after})
    else:
        change = (
            "unchanged"
            if before == after
            else f"it was at revision {before}"
            if before
            else "it had no schema revision"
        )
        print_message(f"the database is at revision {after} ({change})")
