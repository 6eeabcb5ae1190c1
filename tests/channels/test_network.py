"""Tests of the machine's proxy and certificate variables."""

import ssl
from pathlib import Path

import certifi
import pytest

from agents.core.completion import CompletionOutcome
from agents.core.errors import ConfigurationError
from agents.llm.openai.client import make_http_client
from agents.llm.openai.model import OpenAIModel
from bot.config.model_client import UnusableModel
from channels.settings import NetworkSettings
from tests.agents.llm.openai.openai_harness import MODEL_REQUEST
from tests.fakes.openai_server import FakeOpenAI

SOCKS_PROXY = {"ALL_PROXY": "socks5://user:c4n4ry@127.0.0.1:1"}


def list_warnings(variables: dict[str, str]) -> list[str]:
    return [str(warning) for warning in NetworkSettings(variables).list_warnings()]


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    "value", ["socks5://u:c4n4ry@h:1", "socks5h://c4n4ry", "ftp://c4n4ry", "http://c4n4ry:port", "http://"]
)
def test_unusable_proxy_is_reported_without_its_value(name: str, value: str) -> None:
    (warning,) = list_warnings({name: value})
    assert warning.startswith(f"{name}: ")
    assert "c4n4ry" not in warning


@pytest.mark.parametrize("value", ["", "proxy.example:3128", "http://u:p@proxy.example:3128", "https://proxy.example"])
def test_usable_proxy_has_no_warning(value: str) -> None:
    assert list_warnings({"HTTPS_PROXY": value}) == []


def test_unusable_proxy_fails_only_for_urls_that_need_it() -> None:
    with pytest.raises(ConfigurationError, match="^ALL_PROXY: names a SOCKS proxy") as refused:
        NetworkSettings(SOCKS_PROXY).proxy_for("https://api.example.com/v1")
    assert "c4n4ry" not in str(refused.value)
    assert (
        NetworkSettings({**SOCKS_PROXY, "https_proxy": "good:1"}).proxy_for("https://api.example.com")
        == "http://good:1"
    )
    assert (
        NetworkSettings({**SOCKS_PROXY, "NO_PROXY": "x.org, .example.com"}).proxy_for("https://api.example.com") is None
    )
    assert NetworkSettings({**SOCKS_PROXY, "no_proxy": "*"}).proxy_for("https://api.example.com") is None


async def test_local_model_ignores_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", SOCKS_PROXY["ALL_PROXY"])  # the client could not even be created
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    network = NetworkSettings({**SOCKS_PROXY, "SSL_CERT_FILE": "/nonexistent"})
    async with FakeOpenAI.running(key="none") as provider:
        provider.will_choose("done_for_now", message="bye")
        client = make_http_client(network.proxy_for(provider.base_url), network.create_tls_context())
        model = OpenAIModel("", provider.base_url, provider.model, http_client=client)
        completion = await model.complete(MODEL_REQUEST)
        await model.close()
    assert completion.outcome is CompletionOutcome.OK


async def test_unusable_model_names_the_wrong_variable() -> None:
    completion = await UnusableModel("m", "ALL_PROXY: names a SOCKS proxy").complete(MODEL_REQUEST)
    assert (completion.outcome, completion.detail) == (
        CompletionOutcome.BAD_REQUEST,
        "ALL_PROXY: names a SOCKS proxy",
    )


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:1", "127.8.8.8"])
def test_local_hosts_need_no_proxy(host: str) -> None:
    assert NetworkSettings({**SOCKS_PROXY, "HTTP_PROXY": "http://proxy:1"}).proxy_for(f"http://{host}/v1") is None


def test_unusable_certificates_are_reported_and_replaced(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for variables, reason in (
        ({"SSL_CERT_FILE": str(tmp_path / "none.pem")}, "names a file that does not exist"),
        ({"SSL_CERT_FILE": str(empty)}, "names a file without certificates"),
        ({"SSL_CERT_FILE": str(tmp_path)}, "names"),
        ({"SSL_CERT_DIR": str(empty)}, "names no existing folder"),
    ):
        (warning,) = list_warnings(variables)
        assert warning.startswith(f"{next(iter(variables))}: {reason}")
        assert NetworkSettings(variables).create_tls_context().cert_store_stats()["x509_ca"] > 0


def test_uses_the_certificates_of_the_machine(tmp_path: Path) -> None:
    first = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")
    file = tmp_path / "one.pem"
    file.write_text(first[0] + first[1] + "\n")
    variables = {"SSL_CERT_FILE": str(file)}
    assert list_warnings(variables) == []
    context = NetworkSettings(variables).create_tls_context()
    assert (context.cert_store_stats()["x509_ca"], context.verify_mode) == (1, ssl.CERT_REQUIRED)
