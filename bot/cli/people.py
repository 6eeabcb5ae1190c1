"""`handrail people`: the configured people and their addresses."""

from typing import Annotated

from typer import Argument, Typer

from agents.core.errors import NotFound
from agents.core.people import Person
from agents.core.values import person_address
from bot.cli.output import JsonOption, parse_address, print_json, print_view
from bot.config.installation import load_installation
from bot.config.settings import Settings, load_settings
from channels.terminal.views import table

app = Typer(no_args_is_help=True, help="List people, and find the person of an address.")


@app.command("list")
def list_people(*, as_json: JsonOption = False) -> None:
    """List all people with their roles and addresses."""
    settings = load_settings()
    people = load_installation(settings).configuration.people.members
    if as_json:
        return print_json([person.model_dump(mode="json") for person in people])
    return _print_people(settings, people)


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
