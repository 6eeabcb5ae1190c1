"""`handrail slack`: what Slack has to know of this Handrail."""

import json
from typing import Annotated
from urllib.parse import quote

from typer import Option, Typer

from bot.cli.screen import AsJson, show_json, tell
from bot.settings import load_settings
from channels.slack.manifest import manifest, objection

app = Typer(no_args_is_help=True, help="Set up the Slack app.")

_NEW_APP = "https://api.slack.com/apps?new_app=1"

Http = Annotated[
    bool | None,
    Option(
        "--http/--socket",
        help="HTTP to PUBLIC_URL, or Socket Mode; without it Socket Mode when SLACK_APP_TOKEN is set.",
        show_default=False,
    ),
]


@app.callback()
def slack() -> None:
    """Set up the Slack app."""


@app.command("manifest")
def show_manifest(*, http: Http = None, as_json: AsJson = False) -> None:  # noqa: ARG001 - a manifest is JSON anyway
    """Print the manifest of the Slack app as JSON, and say what to do with it."""
    settings = load_settings()
    socket_mode = settings.slack_app_token is not None if http is None else not http
    made = manifest(settings.public_url, socket_mode=socket_mode)
    show_json(made)
    _explain(json.dumps(made, separators=(",", ":")), socket_mode=socket_mode)
    if not socket_mode and (why := objection(settings.public_url)) is not None:
        tell(f"warning: PUBLIC_URL is {settings.public_url}, and {why}; set it, or take `--socket`")


def _explain(written: str, *, socket_mode: bool) -> None:
    transport = "Socket Mode" if socket_mode else "HTTP"
    tell(f"This is the manifest for {transport}. For a new app open {_NEW_APP}, choose to make it from a manifest, and")
    tell("paste it; for one that is there, paste it under App Manifest. Or open this, which has it filled in:")
    tell(f"{_NEW_APP}&manifest_json={quote(written, safe='')}")
