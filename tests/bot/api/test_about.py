"""The agents of a server, the caller, and threads that cannot continue."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from agents.core.values import Address
from storage.contacts import opt_out, record_unknown_sender
from tests.harness.api import ApiHarness

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
STRANGER, OPTED_OUT = Address("sms:+15550001666"), Address("sms:+15550001002")


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


async def test_contacts_are_listed_for_an_admin(api: ApiHarness) -> None:
    def record(connection: Connection) -> None:
        record_unknown_sender(connection, STRANGER, AT)
        opt_out(connection, OPTED_OUT, AT)

    await api.bot.engine.database.transaction(record)
    assert (await api.client("bob").get("/v1/contacts")).status_code == 403
    body = (await api.client("carol").get("/v1/contacts")).json()
    at = AT.isoformat().replace("+00:00", "Z")
    assert body == {
        "opted_out": [{"address": OPTED_OUT, "at": at}],
        "unknown_senders": [{"address": STRANGER, "first_seen_at": at, "last_seen_at": at, "count": 1}],
    }
