"""Which installation something came through is read from what Slack says beside it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.app_installation import identity_from_auth_test, identity_from_payload, with_payload_workspace
from channels.slack.inbound_events import BotIdentity

BOT = {"user_id": "U0BOT", "bot_id": "B0BOT"}
ORG = BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="", enterprise="E0ORG")


def event(**more: Any) -> dict[str, Any]:
    granted = {"team_id": "T0HOME", "enterprise_id": None, "user_id": "U0BOT", "is_bot": True, **more}
    return {"type": "event_callback", "team_id": "T0HOME", "authorizations": [granted]}


def org_event(**more: Any) -> dict[str, Any]:
    return event(team_id=None, enterprise_id="E0ORG", is_enterprise_install=True) | more


@pytest.mark.parametrize(
    "told",
    [
        {"enterprise_id": "E0ORG", "is_enterprise_install": True},
        {"enterprise_id": "E0ORG", "team_id": None},
        {"enterprise_id": "E0ORG", "team_id": "E0ORG", "is_enterprise_install": True},
        {"enterprise_id": "E0ORG", "team_id": "T0HOME", "is_enterprise_install": True},
        {"team_id": "E0ORG"},
    ],
)
def test_an_installation_in_an_organisation_has_no_team(told: dict[str, Any]) -> None:
    us = identity_from_auth_test(BOT | told)
    assert us == ORG
    assert (us.installation_id, us.internal_teams) == ("E0ORG", {"E0ORG"})


def test_an_installation_in_a_workspace_of_an_organisation_has_its_team_as_home() -> None:
    us = identity_from_auth_test(BOT | {"team_id": "T0HOME", "enterprise_id": "E0ORG", "is_enterprise_install": False})
    assert (us.installation_id, us.internal_teams) == ("T0HOME", {"T0HOME", "E0ORG"})


@pytest.mark.parametrize(
    ("payload", "home", "teams"),
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
def test_what_came_in_says_who_we_are(payload: dict[str, Any], home: str, teams: set[str]) -> None:
    us = identity_from_payload(payload)
    assert us is not None
    assert (us.installation_id, us.internal_teams) == (home, teams)


@pytest.mark.parametrize("payload", [{}, {"type": "event_callback", "team_id": "T0HOME"}, event(is_bot=False)])
def test_what_does_not_say_who_we_are_is_no_proof(payload: dict[str, Any]) -> None:
    assert identity_from_payload(payload) is None


def test_people_of_the_workspace_of_an_event_are_no_strangers_to_the_organisation() -> None:
    assert with_payload_workspace(ORG, org_event()).internal_teams == {"E0ORG", "T0HOME"}


def test_the_team_of_a_shared_channel_is_no_home_and_neither_is_that_of_another_organisation() -> None:
    shared = org_event(team_id="T0OTHER", is_ext_shared_channel=True)
    assert with_payload_workspace(ORG, shared).internal_teams == {"E0ORG"}
    other = {"team": {"id": "T0OTHER", "enterprise_id": "E0OTHER"}, "is_enterprise_install": True}
    assert with_payload_workspace(ORG, other).internal_teams == {"E0ORG"}


def test_an_installation_in_a_workspace_is_what_it_was() -> None:
    us = identity_from_auth_test(BOT | {"team_id": "T0HOME"})
    assert with_payload_workspace(us, org_event()) == us


anything = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4) | st.sampled_from(["T0HOME", "E0ORG", "event_callback"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "team", "enterprise", "id", "authorizations", "team_id"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["type", "team", "team_id", "enterprise", "authorizations"]), anything))
def test_whatever_comes_in_is_read(payload: dict[str, Any]) -> None:
    us = identity_from_payload(payload)
    assert us is None or us.installation_id
    assert with_payload_workspace(ORG, payload).installation_id == "E0ORG"
