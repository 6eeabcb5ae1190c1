"""The agents of a server, and the caller as it knows them."""

import pytest

from tests.bot.web.api_harness import ApiHarness


async def test_the_agents_are_told_and_the_default_one_first(api: ApiHarness) -> None:
    told = (await api.client().get("/v1/agents")).json()
    assert [agent["name"] for agent in told["agents"]] == ["porter", "guard"]
    assert told["agents"][0]["purpose"] == "Pushes tags."


@pytest.mark.parametrize(
    ("who", "caller"),
    [
        ("bob", {"token": "bob-cli", "address": "person:bob", "name": "Bob", "roles": ["release"]}),
        ("ci", {"token": "ci", "address": "token:ci", "name": None, "roles": []}),
    ],
)
async def test_a_caller_is_told_who_they_are(api: ApiHarness, who: str, caller: object) -> None:
    told = (await api.client(who).get("/v1/me")).json()
    assert "read" in told.pop("scopes")
    assert told == caller


async def test_threads_that_cannot_go_on_are_for_admins(api: ApiHarness) -> None:
    assert (await api.client("bob").get("/v1/doctor")).status_code == 403
    told = (await api.client("carol").get("/v1/doctor")).json()
    assert told["unreadable"] == {"count": 0, "thread_ids": [], "causes": []}
