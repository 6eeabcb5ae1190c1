"""The agents of a server, the caller, and threads that cannot continue."""

import pytest

from tests.harness.api import ApiHarness


async def test_agents_are_listed_with_the_default_first(api: ApiHarness) -> None:
    body = (await api.client().get("/v1/agents")).json()
    assert [agent["name"] for agent in body["agents"]] == ["porter", "guard"]
    assert body["agents"][0]["purpose"] == "Pushes tags."


@pytest.mark.parametrize(
    ("owner", "caller"),
    [
        ("bob", {"token": "bob-cli", "address": "person:bob", "name": "Bob", "roles": ["release"]}),
        ("ci", {"token": "ci", "address": "token:ci", "name": None, "roles": []}),
    ],
)
async def test_caller_is_shown(api: ApiHarness, owner: str, caller: object) -> None:
    body = (await api.client(owner).get("/v1/me")).json()
    assert "read" in body.pop("scopes")
    assert body == caller


async def test_scan_of_threads_requires_an_admin(api: ApiHarness) -> None:
    assert (await api.client("bob").get("/v1/doctor")).status_code == 403
    body = (await api.client("carol").get("/v1/doctor")).json()
    assert body["unreadable"] == {"count": 0, "thread_ids": [], "causes": []}
