"""`handrail people`: who the configuration knows."""

from typing import Annotated

from typer import Argument, Typer

from agents.addresses import person
from agents.errors import NotFound
from agents.people import Person
from bot.cli.arguments import address
from bot.cli.screen import AsJson, show, show_json
from bot.house import load_house
from bot.settings import Settings, load_settings
from channels.terminal.outbound import table

app = Typer(no_args_is_help=True, help="Who there is, and who an address belongs to.")


@app.command("list")
def list_people(*, as_json: AsJson = False) -> None:
    """Everybody, with their roles and addresses."""
    settings = load_settings()
    everybody = load_house(settings).people.everybody
    if as_json:
        return show_json([one.model_dump(mode="json") for one in everybody])
    return _show(settings, everybody)


@app.command()
def whois(
    who: Annotated[str, Argument(metavar="NAME|ADDRESS", help="Like alice, person:alice or slack:U0ALICE.")],
    *,
    as_json: AsJson = False,
) -> None:
    """The person behind a name or an address."""
    settings = load_settings()
    found = load_house(settings).people.get(address(who) if ":" in who else person(who))
    if found is None:
        raise NotFound(f"nobody here is {who[:80]}; `handrail people list` shows everybody")
    if as_json:
        return show_json(found.model_dump(mode="json"))
    return _show(settings, (found,))


def _show(settings: Settings, people: tuple[Person, ...]) -> None:
    rows = [(one.key, one.name, ", ".join(one.roles), ", ".join(one.addresses)) for one in people]
    show(settings, table(("person", "name", "roles", "reached at"), rows))
