"""The installation of a payload is parsed from its team and enterprise fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.identity import identity_from_auth_test, identity_from_payload, with_payload_workspace
from channels.slack.inbound_events import BotIdentity

BOT = {"user_id": "U0BOT", "bot_id": "B0BOT"}
ORG = BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="", enterprise="E0ORG")


def event(**fields: Any) -> dict[str, Any]:
    granted = {"team_id": "T0HOME", "enterprise_id": None, "user_id": "U0BOT", "is_bot": True, **fields}
    return {"type": "event_callback", "team_id": "T0HOME", "authorizations": [granted]}


def org_event(**fields: Any) -> dict[str, Any]:
    return event(team_id=None, enterprise_id="E0ORG", is_enterprise_install=True) | fields


@pytest.mark.parametrize(
    "response",
    [
        {"enterprise_id": "E0ORG", "is_enterprise_install": True},
        {"enterprise_id": "E0ORG", "team_id": None},
        {"enterprise_id": "E0ORG", "team_id": "E0ORG", "is_enterprise_install": True},
        {"enterprise_id": "E0ORG", "team_id": "T0HOME", "is_enterprise_install": True},
        {"team_id": "E0ORG"},
    ],
)
def test_organization_installation_has_no_team(response: dict[str, Any]) -> None:
    bot = identity_from_auth_test(BOT | response)
    assert bot == ORG
    assert (bot.installation_id, bot.internal_teams) == ("E0ORG", {"E0ORG"})


def test_workspace_installation_in_an_organization_has_a_team() -> None:
    bot = identity_from_auth_test(BOT | {"team_id": "T0HOME", "enterprise_id": "E0ORG", "is_enterprise_install": False})
    assert (bot.installation_id, bot.internal_teams) == ("T0HOME", {"T0HOME", "E0ORG"})


@pytest.mark.parametrize(
    ("payload", "installation_id", "teams"),
    [
        (event(), "T0HOME", {"T0HOME"}),
        (org_event(), "E0ORG", {"E0ORG", "T0HOME"}),
        ({"type": "block_actions", "team": {"id": "T0HOME"}, "enterprise": None}, "T0HOME", {"T0HOME"}),
        (
            {"team": {"id": "T0HOME", "enterprise_id": "E0ORG"}, "is_enterprise_install": True},
            "E0ORG",
            {"E0ORG", "T0HOME"},
        ),
        ({"team": None, "enterprise": {"id": "E0ORG"}, "is_enterprise_install": True}, "E0ORG", {"E0ORG"}),
        (
            {"command": "/x", "team_id": "T0HOME", "enterprise_id": "E0ORG", "is_enterprise_install": "true"},
            "E0ORG",
            {"E0ORG", "T0HOME"},
        ),
    ],
)
def test_identity_is_derived_from_a_payload(payload: dict[str, Any], installation_id: str, teams: set[str]) -> None:
    bot = identity_from_payload(payload)
    assert bot is not None
    assert (bot.installation_id, bot.internal_teams) == (installation_id, teams)


@pytest.mark.parametrize("payload", [{}, {"type": "event_callback", "team_id": "T0HOME"}, event(is_bot=False)])
def test_incomplete_payload_yields_no_identity(payload: dict[str, Any]) -> None:
    assert identity_from_payload(payload) is None


def test_payload_workspace_is_internal_to_the_organization() -> None:
    assert with_payload_workspace(ORG, org_event()).internal_teams == {"E0ORG", "T0HOME"}


def test_external_teams_are_not_internal() -> None:
    shared = org_event(team_id="T0OTHER", is_ext_shared_channel=True)
    assert with_payload_workspace(ORG, shared).internal_teams == {"E0ORG"}
    other = {"team": {"id": "T0OTHER", "enterprise_id": "E0OTHER"}, "is_enterprise_install": True}
    assert with_payload_workspace(ORG, other).internal_teams == {"E0ORG"}


def test_workspace_installation_ignores_the_payload() -> None:
    bot = identity_from_auth_test(BOT | {"team_id": "T0HOME"})
    assert with_payload_workspace(bot, org_event()) == bot


anything = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4) | st.sampled_from(["T0HOME", "E0ORG", "event_callback"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "team", "enterprise", "id", "authorizations", "team_id"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["type", "team", "team_id", "enterprise", "authorizations"]), anything))
def test_any_payload_is_accepted(payload: dict[str, Any]) -> None:
    bot = identity_from_payload(payload)
    assert bot is None or bot.installation_id
    assert with_payload_workspace(ORG, payload).installation_id == "E0ORG"
