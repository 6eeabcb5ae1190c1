"""`handrail slack`: set up the Slack app."""

import json
from typing import Annotated
from urllib.parse import quote

from typer import Option, Typer

from bot.cli.output import JsonOption, print_json, print_message
from bot.config.settings import load_settings
from channels.slack.manifest import build_manifest, unreachable_reason

app = Typer(no_args_is_help=True, help="Set up the Slack app.")

_NEW_APP_URL = "https://api.slack.com/apps?new_app=1"

HttpOption = Annotated[
    bool | None,
    Option(
        "--http/--socket",
        help="Receive events by HTTP at PUBLIC_URL or by Socket Mode; default: Socket Mode if SLACK_APP_TOKEN is set.",
        show_default=False,
    ),
]


@app.callback()
def slack() -> None:
    """Set up the Slack app."""


@app.command("manifest")
def show_manifest(*, is_http: HttpOption = None, as_json: JsonOption = False) -> None:  # noqa: ARG001 - a manifest is always JSON
    """Print the manifest of the Slack app as JSON, and explain how to use it."""
    settings = load_settings()
    is_socket_mode = settings.slack_app_token is not None if is_http is None else not is_http
    manifest = build_manifest(settings.public_url, socket_mode=is_socket_mode)
    print_json(manifest)
    _print_setup_steps(json.dumps(manifest, separators=(",", ":")), is_socket_mode=is_socket_mode)
    if not is_socket_mode and (reason := unreachable_reason(settings.public_url)) is not None:
        print_message(f"warning: PUBLIC_URL is {settings.public_url}, and {reason}; change it, or use `--socket`")


def _print_setup_steps(manifest_json: str, *, is_socket_mode: bool) -> None:
    transport = "Socket Mode" if is_socket_mode else "HTTP"
    print_message(
        f"This is the manifest for {transport}. To create an app, open {_NEW_APP_URL}, "
        'choose "From a manifest", and paste it.'
    )
    print_message("To update an app, paste it under App Manifest. Or open this link to create an app from it:")
    print_message(f"{_NEW_APP_URL}&manifest_json={quote(manifest_json, safe='')}")
