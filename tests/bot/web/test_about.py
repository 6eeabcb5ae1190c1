"""The agents of a server, and the caller as it knows them."""

import pytest

from tests.bot.web.surface import Surface


async def test_the_agents_are_told_and_the_default_one_first(surface: Surface) -> None:
    told = (await surface.client().get("/v1/agents")).json()
    assert [agent["name"] for agent in told["agents"]] == ["porter", "guard"]
    assert told["agents"][0]["purpose"] == "Pushes tags."


@pytest.mark.parametrize(
    ("who", "caller"),
    [
        ("bob", {"token": "bob-cli", "address": "person:bob", "name": "Bob", "roles": ["release"]}),
        ("ci", {"token": "ci", "address": "token:ci", "name": None, "roles": []}),
    ],
)
async def test_a_caller_is_told_who_they_are(surface: Surface, who: str, caller: object) -> None:
    told = (await surface.client(who).get("/v1/me")).json()
    assert "read" in told.pop("scopes")
    assert told == caller


async def test_threads_that_cannot_go_on_are_for_admins(surface: Surface) -> None:
    assert (await surface.client("bob").get("/v1/doctor")).status_code == 403
    told = (await surface.client("carol").get("/v1/doctor")).json()
    assert told["unreadable"] == {"count": 0, "thread_ids": [], "causes": []}
