"""Variables that nobody reads because their name is not quite right are told."""

import pytest

from bot.environment.near_misses import find_near_misses
from bot.settings import Settings

KNOWN = Settings.from_variables({}).known_variables


def warned(*names: str) -> list[str]:
    return [str(found) for found in find_near_misses(names, KNOWN, {}, ".env")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("PROT", "PORT"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("openai_api_key", "OPENAI_API_KEY"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("SLACK_TOKEN", "SLACK_BOT_TOKEN"),
        ("HANDRAIL_TOKENS", "HANDRAIL_API_TOKENS"),
        ("HANDRAIL_CONF", "HANDRAIL_CONFIG"),
    ],
)
def test_near_miss_is_warned_of_with_the_name_that_was_meant(written: str, meant: str) -> None:
    assert warned(written) == [f"{written}: is not a variable of Handrail and is ignored; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "HOSTNAME", "TEST_DATABASE_URL", "NO_PROXY", "OPENAI_ORG_ID", "SMTP_HOST", "PWD", "TERM"]
)
def test_variable_of_something_else_is_left_alone(name: str) -> None:
    assert warned(name) == []


def test_nothing_is_warned_of_where_the_right_name_is_set_as_well() -> None:
    assert warned("OPENAI_KEY", "OPENAI_API_KEY") == []


def test_near_miss_in_the_file_is_told_with_its_line() -> None:
    (found,) = find_near_misses(["PROT"], KNOWN, {"PROT": 3}, ".env")
    assert (found.file, found.line, found.severity) == (".env", 3, "warning")
