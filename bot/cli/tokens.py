"""`handrail tokens`: who may use the API, and with which scopes. Tokens live in HANDRAIL_API_TOKENS."""

from secrets import token_urlsafe
from typing import Annotated

from typer import Argument, Option, Typer

from agents.addresses import person_address
from agents.errors import Conflict, InvalidInput, NotFound
from bot.cli.output import JsonOption, print_json, print_message, print_view
from bot.environment.api_tokens import SCOPES, parse_api_tokens
from bot.installation import load_installation
from bot.settings import DATA_DIR, Settings, load_settings
from bot.token_grants import GENERATED_NAME, TokenGrant, list_token_grants
from channels.terminal.views import table

app = Typer(no_args_is_help=True, help="List, make and revoke tokens of the API.")

TokenNameArgument = Annotated[str, Argument(metavar="NAME", help="The name of a token, like ci.")]


@app.command("list")
def list_tokens(*, as_json: JsonOption = False) -> None:
    """The tokens a server with these settings lets in; never their secrets."""
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
    person: Annotated[str | None, Option("--person", help="Whose token it is; without it, a program's.")] = None,
    scopes: Annotated[list[str] | None, Option("--scope", help=f"One of {', '.join(SCOPES)}; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a token, and print the entry for HANDRAIL_API_TOKENS. Nothing is changed by that."""
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
    """Say how to revoke a token: a running server takes its tokens from its environment, so this exits with 1."""
    settings = load_settings()
    if name not in {grant.name for grant in _load_grants(settings)}:
        raise NotFound(f"there is no token {name[:64]}; `handrail tokens list` shows those there are")
    if not settings.handrail_api_tokens:
        raise Conflict(f"token {GENERATED_NAME} is still valid: delete {DATA_DIR / 'api-token'} and restart the server")
    raise Conflict(
        f"token {name} is still valid: remove the entry that begins with {name}: from HANDRAIL_API_TOKENS "
        "(in .env or the environment), and restart the server"
    )


def _load_grants(settings: Settings) -> tuple[TokenGrant, ...]:
    return list_token_grants(settings, load_installation(settings).people)


def _check_can_create(settings: Settings, name: str, person: str | None) -> None:
    if name in {token.name for token in settings.handrail_api_tokens}:
        raise Conflict(f"there is a token {name} already; choose another name")
    if person is not None and load_installation(settings).people.get(person_address(person)) is None:
        raise NotFound(f"nobody here is {person[:80]}; `handrail people list` shows everybody")


def _build_entry(name: str, secret: str, person: str | None, scopes: list[str]) -> str:
    """Return the entry, checked as a server would check it. Raises Invalid."""
    parts = [name, secret, *([person or ""] if person or scopes else []), *(["+".join(scopes)] if scopes else [])]
    entry = ":".join(parts)
    try:
        parse_api_tokens(entry)
    except ValueError as error:
        raise InvalidInput(f"this makes no token: {str(error).replace('entry 1', 'it')}") from error
    return entry


def _next_steps(settings: Settings) -> str:
    if settings.handrail_api_tokens:
        return "Add the entry to HANDRAIL_API_TOKENS, behind a comma, and restart the server."
    return (
        "Set HANDRAIL_API_TOKENS to the entry, and restart the server. "
        "The generated token is no longer let in then; add an entry for yourself too."
    )
