"""What is odd in the configuration and the environment, and keeps nothing from starting."""

from collections.abc import Iterator
from pathlib import Path

from agents.mistakes import Mistake
from bot.approvers import find_shortages
from bot.config import Configuration
from bot.config_file.conditions import Signatures
from bot.config_file.shadowing import find_shadowed
from bot.environment.env_file import lines_in
from bot.environment.near_misses import find_near_misses
from bot.environment.network import Network
from bot.mistakes import no_such
from bot.settings import Settings

_ENV_FILE = Path(".env")


def find_warnings(configuration: Configuration, settings: Settings, signatures: Signatures) -> tuple[Mistake, ...]:
    """Return all warnings: of the file in the order of its lines, then those of the environment."""
    of_file = [*_of_order(configuration, signatures), *_of_approvers(configuration)]
    of_file.sort(key=lambda warning: warning.line or 0)
    return (*of_file, *_of_environment(configuration, settings))


def _of_order(configuration: Configuration, signatures: Signatures) -> Iterator[Mistake]:
    for position, earlier in find_shadowed(configuration.rules, signatures).items():
        names = " and ".join(f"policy[{index}] (line {configuration.rule_lines[index]})" for index in earlier)
        verb = "matches" if len(earlier) == 1 else "match"
        message = f"never decides: {names} before it {verb} all that it matches; move it up, or take it out"
        yield _at_rule(configuration, position, f"policy[{position}]", message)


def _of_approvers(configuration: Configuration) -> Iterator[Mistake]:
    for shortage in find_shortages(configuration):
        if not shortage.is_for_all:
            continue
        if shortage.rule is not None:
            key = f"policy[{shortage.rule}].ask"
            yield _at_rule(configuration, shortage.rule, key, f"{shortage.told}; {shortage.fix}")
        elif configuration.source is not None:
            message = f"{shortage.what} {shortage.told}; {shortage.fix}"
            yield Mistake(file=str(configuration.source), key="policy", message=message, severity="warning")


def _at_rule(configuration: Configuration, position: int, key: str, message: str) -> Mistake:
    line = configuration.rule_lines[position]
    return Mistake(file=str(configuration.source), line=line, key=key, message=message, severity="warning")


def _of_environment(configuration: Configuration, settings: Settings) -> Iterator[Mistake]:
    known = (*settings.known_variables, *(webhook.secret_env for webhook in configuration.webhooks))
    yield from find_near_misses(settings.variables, known, lines_in(_ENV_FILE), str(_ENV_FILE))
    yield from Network(settings.variables).warnings()
    people = [person.key for person in configuration.people.everybody]
    for token in settings.handrail_api_tokens:
        if token.person is not None and token.person not in people:
            message = (
                f"the token {token.name} answers as a person of the file: {no_such('person', token.person, people)}"
            )
            yield Mistake(key="HANDRAIL_API_TOKENS", message=message, severity="warning")
