"""`handrail tokens`: list, create and revoke API tokens. Tokens are configured in HANDRAIL_API_TOKENS."""

from secrets import token_urlsafe
from typing import Annotated

from typer import Argument, Option, Typer

from agents.core.errors import Conflict, InvalidInput, NotFound
from agents.core.values import person_address
from bot.cli.output import JsonOption, print_json, print_message, print_view
from bot.config.environment import SCOPES, parse_api_tokens
from bot.config.installation import load_installation
from bot.config.secrets import GENERATED_NAME, TokenGrant, list_token_grants
from bot.config.settings import DATA_DIR, Settings, load_settings
from channels.terminal.views import table

app = Typer(no_args_is_help=True, help="List, create and revoke API tokens.")

TokenNameArgument = Annotated[str, Argument(metavar="NAME", help="The name of a token, for example ci.")]


@app.command("list")
def list_tokens(*, as_json: JsonOption = False) -> None:
    """List the tokens that a server with these settings accepts, without their secrets."""
    settings = load_settings()
    grants = _load_grants(settings)
    if as_json:
        return print_json([grant.model_dump(mode="json") for grant in grants])
    rows = [(grant.name, grant.person or "", ", ".join(grant.scopes)) for grant in grants]
    return print_view(settings, table(("token", "person", "scopes"), rows))


@app.command()
def new(
    name: TokenNameArgument,
    *,
    person: Annotated[
        str | None, Option("--person", help="The person the token belongs to; default: a program.")
    ] = None,
    scopes: Annotated[
        list[str] | None, Option("--scope", help=f"A scope to grant: {', '.join(SCOPES)}. Repeat it for more.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a token and print its entry for HANDRAIL_API_TOKENS. This changes no settings."""
    settings = load_settings()
    _check_can_create(settings, name, person)
    entry = _build_entry(name, token_urlsafe(32), person, scopes or [])
    token = entry.split(":")[1]
    if as_json:
        return print_json({"name": name, "token": token, "entry": entry})
    print_view(settings, table((), [("token", token), ("entry", entry)]))
    return print_message(_next_steps(settings))


@app.command()
def revoke(name: TokenNameArgument) -> None:
    """Explain how to revoke a token. Tokens are settings of the server, so this changes nothing and exits with 1."""
    settings = load_settings()
    if name not in {grant.name for grant in _load_grants(settings)}:
        raise NotFound(f"there is no token {name[:64]}; `handrail tokens list` shows all tokens")
    if not settings.handrail_api_tokens:
        raise Conflict(f"token {GENERATED_NAME} is still valid: delete {DATA_DIR / 'api-token'} and restart the server")
    raise Conflict(
        f"token {name} is still valid: remove the entry that begins with {name}: from HANDRAIL_API_TOKENS "
        "(in .env or the environment), and restart the server"
    )


def _load_grants(settings: Settings) -> tuple[TokenGrant, ...]:
    return list_token_grants(settings, load_installation(settings).configuration.people)


def _check_can_create(settings: Settings, name: str, person: str | None) -> None:
    if name in {token.name for token in settings.handrail_api_tokens}:
        raise Conflict(f"token {name} already exists; choose another name")
    if person is not None and load_installation(settings).configuration.people.get(person_address(person)) is None:
        raise NotFound(f"there is no person {person[:80]}; `handrail people list` shows all people")


def _build_entry(name: str, secret: str, person: str | None, scopes: list[str]) -> str:
    """Return the entry, checked as a server checks it. Raises InvalidInput when it is not valid."""
    parts = [name, secret, *([person or ""] if person or scopes else []), *(["+".join(scopes)] if scopes else [])]
    entry = ":".join(parts)
    try:
        parse_api_tokens(entry)
    except ValueError as error:
        raise InvalidInput(f"these values make no valid token: {str(error).replace('entry 1', 'it')}") from error
    return entry


def _next_steps(settings: Settings) -> str:
    if settings.handrail_api_tokens:
        return "Add the entry to HANDRAIL_API_TOKENS, separated by a comma, and restart the server."
    return (
        "Set HANDRAIL_API_TOKENS to the entry and restart the server. "
        "The server then no longer accepts the generated token, so add an entry for yourself too."
    )
