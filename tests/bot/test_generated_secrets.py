"""Secrets nobody set: made once, agreed on, readable by their owner only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
from pydantic import SecretStr

from agents.errors import ConfigurationError
from bot.environment.api_tokens import ApiToken
from bot.generated_secrets import load_api_tokens, load_or_create_secret, load_secret_key
from bot.settings import load_settings


def drawing() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"drawn-{next(numbers)}"


def test_a_secret_is_drawn_once_and_then_read(tmp_path: Path) -> None:
    draw = drawing()
    first = load_or_create_secret(tmp_path / "secret-key", "SECRET_KEY", draw)
    assert first == load_or_create_secret(tmp_path / "secret-key", "SECRET_KEY", draw) == SecretStr("drawn-1")


def test_the_file_holds_the_bare_secret_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / ".handrail" / "api-token"
    load_or_create_secret(file, "HANDRAIL_API_TOKENS", drawing())
    assert file.read_text() == "drawn-1\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["api-token"]


def test_those_who_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    many = 8
    all_found_none, draw = Barrier(many, timeout=10), drawing()

    def draw_when_all_are_there() -> str:
        all_found_none.wait()
        return draw()

    def start(_: int) -> SecretStr:
        return load_or_create_secret(tmp_path / ".handrail" / "secret-key", "SECRET_KEY", draw_when_all_are_there)

    with ThreadPoolExecutor(many) as starting:
        assert len(set(starting.map(start, range(many)))) == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret-key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"secret-key .*, or set SECRET_KEY"):
        load_or_create_secret(file, "SECRET_KEY", drawing())


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load_or_create_secret(tmp_path, "SECRET_KEY", drawing())


def test_what_is_set_wins_over_what_would_be_generated(tmp_path: Path) -> None:
    settings = load_settings({"SECRET_KEY": "set", "HANDRAIL_API_TOKENS": "ci:set"}, env_file=None)
    assert load_secret_key(settings, data_dir=tmp_path) == SecretStr("set")
    assert load_api_tokens(settings, data_dir=tmp_path) == (ApiToken(name="ci", secret=SecretStr("set")),)
    assert not list(tmp_path.iterdir())


def test_the_generated_token_is_that_of_the_person_you(tmp_path: Path) -> None:
    (token,) = load_api_tokens(load_settings({}, env_file=None), data_dir=tmp_path, generate=drawing())
    assert (token.person, token.secret) == ("you", SecretStr("drawn-1"))


def test_generated_secrets_are_long_and_never_the_same(tmp_path: Path) -> None:
    settings = load_settings({}, env_file=None)
    first, second = (
        load_secret_key(settings, data_dir=tmp_path / "a"),
        load_secret_key(settings, data_dir=tmp_path / "b"),
    )
    assert first != second
    assert len(first) == len(second) == 43
