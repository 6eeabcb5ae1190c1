"""Tests of the registry: channels of this repository, and of other distributions by entry point."""

from pathlib import Path

import pytest

from bot.channel_host import build_plugins
from bot.config.settings import Settings
from bot.doctor.agents import check_channels
from channels import registry
from channels.registry import CHANNEL_PACKAGES, BuiltChannel, build_channels
from tests.harness.installed_channels import PAGER_SOURCE, install_channel


def build_settings() -> Settings:
    return Settings.from_variables({"SECRET_KEY": "a-key"})


def build_by_name() -> dict[str, BuiltChannel]:
    return {built.name: built for built in build_channels(build_settings())}


def problems_of(name: str) -> list[str]:
    """Return the problems of a channel that the doctor finds."""
    findings = [finding for finding in check_channels(build_settings()) if finding.name == name]
    return [finding.message for finding in findings if finding.state == "problem"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder on the module search path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_every_folder_is_registered() -> None:
    folders = sorted(f"channels.{path.parent.name}" for path in Path(registry.__file__).parent.glob("*/__init__.py"))
    assert sorted(CHANNEL_PACKAGES) == folders


def test_channels_without_settings_are_built() -> None:
    schemes = {name: plugin.channel.scheme for name, plugin in build_plugins(build_settings()).items()}
    assert schemes == {"terminal": "terminal", "rest": "web", "email": "email", "sms": "sms"}


@pytest.mark.parametrize("entry_point", ["handrail_pager_{}", "handrail_pager_{}:build"])
def test_channel_of_another_distribution_is_built(site: Path, entry_point: str) -> None:
    name = "by_function" if ":" in entry_point else "by_package"  # each module is imported once in this process
    install_channel(site, f"pager_{name}", PAGER_SOURCE, entry_point=entry_point.format(name))
    built = build_by_name()[f"pager_{name}"]
    assert (built.error, built.is_external, built.plugin.channel.scheme) == (None, True, "pager")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('no battery')", "failed with RuntimeError: no battery"),
        ("import nothing_of_this_name", "failed with ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def build(settings): return 3", "failed with TypeError: `build` must return a Plugin or None"),
        ("", "failed with TypeError: the entry point names neither a function nor a package with a function `build`"),
        (
            "from channels.terminal import build",
            "failed with ValueError: the scheme terminal belongs to another channel",
        ),
        (
            "import channels.base as c\ndef build(settings): return c.Plugin(endpoints=(c.Endpoint('/v1/x', build),))",
            "failed with ValueError: the path /v1/x must begin with /channels/",
        ),
    ],
)
def test_broken_channel_of_another_distribution_is_left_out(
    site: Path, source: str, message: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    name = f"broken{request.node.callspec.indices['source']}"
    install_channel(site, name, source)
    assert set(build_plugins(build_settings())) == {"email", "rest", "sms", "terminal"}
    (line,) = [record.msg for record in caplog.records if record.msg["event"] == "channel_not_started"]
    assert line["channel"] == name
    assert problems_of(name) == [f"the channel is left out: handrail_{name} {message}"]


def test_name_of_another_channel_is_refused(site: Path) -> None:
    install_channel(site, "rest", PAGER_SOURCE)
    assert build_plugins(build_settings())["rest"].channel.scheme == "web"
    assert problems_of("rest") == [
        "the channel is left out: handrail_rest failed with ValueError: the name rest belongs to another channel"
    ]


def test_missing_settings_of_another_distribution_are_left_out(site: Path) -> None:
    source = "from agents.core.errors import ConfigurationError\n"
    source += "def build(settings): raise ConfigurationError('PAGER_TOKEN is missing')"
    install_channel(site, "unset", source)
    assert set(build_plugins(build_settings())) == {"email", "rest", "sms", "terminal"}
    assert problems_of("unset") == ["PAGER_TOKEN is missing"]


def test_check_that_fails_is_a_problem(site: Path) -> None:
    source = "from channels.base import Plugin\ndef build(settings): return Plugin(doctor_checks=lambda: [1 / 0])"
    install_channel(site, "uncheckable", source)
    (problem,) = problems_of("uncheckable")
    assert "handrail_uncheckable failed with ZeroDivisionError" in problem


def test_channel_that_is_not_set_up_is_only_checked(site: Path) -> None:
    source = "from channels.base import Plugin\ndef build(settings): return Plugin(problem='the proxy is unusable')"
    install_channel(site, "unusable", source)
    assert set(build_plugins(build_settings())) == {"email", "rest", "sms", "terminal"}
    assert problems_of("unusable") == ["the proxy is unusable"]
