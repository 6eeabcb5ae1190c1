"""Tests of generated secrets: created once, shared by concurrent processes, readable only by their owner."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
from pydantic import SecretStr

from agents.core.errors import ConfigurationError
from bot.config.environment import ApiToken
from bot.config.secrets import load_api_tokens, load_or_create_secret, load_secret_key
from bot.config.settings import load_settings


def sequential_generator() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"generated-{next(numbers)}"


def test_secret_is_generated_once_and_then_read(tmp_path: Path) -> None:
    generate = sequential_generator()
    first = load_or_create_secret(tmp_path / "secret-key", "SECRET_KEY", generate)
    assert first == load_or_create_secret(tmp_path / "secret-key", "SECRET_KEY", generate) == SecretStr("generated-1")


def test_secret_file_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    file = tmp_path / ".handrail" / "api-token"
    load_or_create_secret(file, "HANDRAIL_API_TOKENS", sequential_generator())
    assert file.read_text() == "generated-1\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["api-token"]


def test_concurrent_processes_agree_on_one_secret(tmp_path: Path) -> None:
    process_count = 8
    barrier, generate = Barrier(process_count, timeout=90), sequential_generator()

    def generate_after_all_have_started() -> str:
        barrier.wait()
        return generate()

    def load_secret(_: int) -> SecretStr:
        return load_or_create_secret(
            tmp_path / ".handrail" / "secret-key", "SECRET_KEY", generate_after_all_have_started
        )

    with ThreadPoolExecutor(process_count) as executor:
        assert len(set(executor.map(load_secret, range(process_count)))) == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_refuses_file_without_a_secret(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret-key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"secret-key .*, or set SECRET_KEY"):
        load_or_create_secret(file, "SECRET_KEY", sequential_generator())


def test_refuses_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load_or_create_secret(tmp_path, "SECRET_KEY", sequential_generator())


def test_configured_secret_has_precedence(tmp_path: Path) -> None:
    settings = load_settings({"SECRET_KEY": "set", "HANDRAIL_API_TOKENS": "ci:set"}, env_file=None)
    assert load_secret_key(settings, data_dir=tmp_path) == SecretStr("set")
    assert load_api_tokens(settings, data_dir=tmp_path) == (ApiToken(name="ci", secret=SecretStr("set")),)
    assert not list(tmp_path.iterdir())


def test_generated_token_belongs_to_the_person_you(tmp_path: Path) -> None:
    (token,) = load_api_tokens(load_settings({}, env_file=None), data_dir=tmp_path, generate=sequential_generator())
    assert (token.person, token.secret) == ("you", SecretStr("generated-1"))


def test_generated_secrets_are_long_and_unique(tmp_path: Path) -> None:
    settings = load_settings({}, env_file=None)
    first, second = (
        load_secret_key(settings, data_dir=tmp_path / "a"),
        load_secret_key(settings, data_dir=tmp_path / "b"),
    )
    assert first != second
    assert len(first) == len(second) == 43
