"""`handrail config`: the settings of the environment and the configuration of `handrail.toml`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer import Exit, Typer

from agents.errors import Misconfigured
from agents.mistakes import Mistake
from bot.cli.screen import AsJson, show, show_json, tell
from bot.environment.env_file import variables_in
from bot.house import load_house
from bot.settings import Settings, load_settings
from bot.tokens import token_grants
from channels.terminal.outbound import table

app = Typer(no_args_is_help=True, help="Check and show settings and configuration.")

_URLS = ("database_url", "smtp_url", "deploy_repo")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")


@app.command()
def check(*, as_json: AsJson = False) -> None:
    """Tell every mistake with its file, line and key; exits with 1 when there is one that is not only a warning."""
    mistakes = _mistakes()
    if as_json:
        show_json([mistake.model_dump() for mistake in mistakes])
    for mistake in mistakes:
        tell(f"warning: {mistake}" if mistake.severity == "warning" else str(mistake))
    if any(mistake.severity == "error" for mistake in mistakes):
        raise Exit(1)
    _tell_tokens(load_settings())
    tell("no mistakes")


def _tell_tokens(settings: Settings) -> None:
    """Say what each token that is set lets its holder do; never the token."""
    if settings.handrail_api_tokens:
        for grant in token_grants(settings, load_house(settings).people):
            tell(f"token {grant.name} ({grant.holder}): {', '.join(grant.scopes)}")


def _mistakes() -> list[Mistake]:
    try:
        return list(load_house(load_settings()).warnings)
    except Misconfigured as error:
        return list(error.details or [Mistake(message=str(error))])


@app.command("show")
def show_config(*, as_json: AsJson = False) -> None:
    """What holds here, and where each setting comes from. Secrets are masked."""
    settings = load_settings()
    told, house = _settings(settings), load_house(settings)
    if as_json:
        return show_json({"settings": told, "configuration": house.model_dump(mode="json")})
    rows = [(name, _written(one["value"]), one["from"]) for name, one in told.items()]
    show(settings, table(("setting", "value", "from"), rows))
    return tell(f"configuration: {house.source or 'no handrail.toml; one person, `you`'}")


def _settings(settings: Settings) -> dict[str, Mapping[str, Any]]:
    in_file = variables_in(Path(".env"))
    return {
        name.upper(): {"value": value, "from": _source(settings, name.upper(), in_file)}
        for name, value in _values(settings).items()
    }


def _values(settings: Settings) -> dict[str, Any]:
    """All values, secrets masked; of a URL only the part that may hold a password."""
    urls = {name: url for name in _URLS if (url := getattr(settings, name)) is not None}
    shown = {name: _USERINFO.sub("***@", url.get_secret_value()) for name, url in urls.items()}
    return {**settings.model_dump(mode="json"), **shown}


def _source(settings: Settings, name: str, in_file: Mapping[str, str]) -> str:
    value = settings.variable(name)
    if value is None:
        return "default"
    return ".env" if in_file.get(name, "").strip() == value.get_secret_value() else "environment"


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ":".join(_written(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    return "" if value is None else str(value)
