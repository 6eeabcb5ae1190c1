"""`handrail people`: the configured people and their addresses."""

from typing import Annotated, Any

from typer import Argument, Typer

from agents.core.errors import HandrailError, NotFound
from agents.core.people import Person
from agents.core.values import person_address
from bot.cli.api_client import call_server
from bot.cli.output import JsonOption, parse_address, print_json, print_message, print_view
from bot.config.installation import load_installation
from bot.config.settings import Settings, load_settings
from channels.terminal.client import api_path
from channels.terminal.views import table

app = Typer(no_args_is_help=True, help="List people, and find the person of an address.")


@app.command("list")
def list_people(*, as_json: JsonOption = False) -> None:
    """List all people with their roles and addresses, and the senders who are not among them."""
    settings = load_settings()
    people = load_installation(settings).configuration.people.members
    unknown = _fetch_unknown_senders(settings)
    if as_json:
        known = [person.model_dump(mode="json") for person in people]
        return print_json([*known, *({"key": None, **sender} for sender in unknown)])
    _print_people(settings, people)
    if unknown:
        rows = [(one["address"], str(one["count"]), one["last_seen_at"]) for one in unknown]
        print_view(settings, table(("unknown sender", "messages", "last"), rows))
    return None


def _fetch_unknown_senders(settings: Settings) -> list[dict[str, Any]]:
    """Return the senders whom the server does not know; none, with a message on stderr, if it cannot be asked."""
    try:
        contacts = call_server(settings, lambda server: server.get(api_path("contacts")))
    except HandrailError as error:
        print_message(f"senders who are not in handrail.toml are not listed: {error}")
        return []
    found: list[dict[str, Any]] = contacts["unknown_senders"]
    return found


@app.command()
def whois(
    name_or_address: Annotated[
        str, Argument(metavar="NAME|ADDRESS", help="For example alice, person:alice or terminal:alice.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the person with a name or an address."""
    settings = load_settings()
    found = load_installation(settings).configuration.people.get(
        parse_address(name_or_address) if ":" in name_or_address else person_address(name_or_address)
    )
    if found is None:
        raise NotFound(f"there is no person {name_or_address[:80]}; `handrail people list` shows all people")
    if as_json:
        return print_json(found.model_dump(mode="json"))
    return _print_people(settings, (found,))


def _print_people(settings: Settings, people: tuple[Person, ...]) -> None:
    rows = [(person.key, person.name, ", ".join(person.roles), ", ".join(person.addresses)) for person in people]
    print_view(settings, table(("person", "name", "roles", "addresses"), rows))
