import asyncio
from typing import Any

import pytest
from httpx import Headers, Response

from tests.bot.web.api_harness import ApiHarness


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


async def post(api: ApiHarness, path: str, body: Any, key: str = "k1", who: str = "alice") -> Response:
    return await api.client(who).post(path, json=body, headers={"Idempotency-Key": key})


async def threads(api: ApiHarness) -> int:
    return len((await api.client().get("/v1/threads", params={"limit": 200})).json()["threads"])


async def test_the_same_key_gets_the_first_answer_again(api: ApiHarness) -> None:
    first = await post(api, "/v1/threads", {"message": "look"})
    await api.wait_until(first.json()["id"], lambda state: state.status == "done")
    again = await post(api, "/v1/threads", {"message": "look"})
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await threads(api) == 1


async def test_a_hundred_at_once_open_one_thread(api: ApiHarness) -> None:
    client = api.client()
    told = await asyncio.gather(
        *(client.post("/v1/threads", json={"message": "look"}, headers={"Idempotency-Key": "one"}) for _ in range(100))
    )
    assert {one.status_code for one in told} == {201}
    assert len({one.content for one in told}) == 1
    assert sum("Idempotency-Replayed" in one.headers for one in told) == 99
    assert await threads(api) == 1


async def test_a_key_that_comes_with_another_body_is_refused(api: ApiHarness) -> None:
    await post(api, "/v1/threads", {"message": "look"})
    told = await post(api, "/v1/threads", {"message": "push v1"})
    assert (told.status_code, told.json()["error"]["code"]) == (422, "key_reused")
    assert await threads(api) == 1


async def test_a_key_belongs_to_its_token(api: ApiHarness) -> None:
    ids = {(await post(api, "/v1/threads", {"message": "look"}, who=who)).json()["id"] for who in ("alice", "bob")}
    assert len(ids) == 2


async def test_a_key_belongs_to_its_path(api: ApiHarness) -> None:
    first, second = await api.start_thread("nap"), await api.start_thread("nap")
    paused = [await post(api, f"/v1/threads/{one}/pause", {}) for one in (first, second)]
    assert [one.json()["id"] for one in paused] == [first, second]
    assert (await post(api, f"/v1/threads/{first}/resume", {})).json()["status"] == "waiting_for_time"


async def test_without_a_key_everything_is_done_again(api: ApiHarness) -> None:
    for _ in range(2):
        await api.client().post("/v1/threads", json={"message": "look"})
    assert await threads(api) == 2


async def test_every_post_may_carry_a_key(api: ApiHarness) -> None:
    thread = f"/v1/threads/{await api.start_thread('nap')}"
    request = await api.open_request("push v1")
    for path, body, who in (
        (f"{thread}/messages", {"text": "nap"}, "alice"),
        (f"{thread}/pause", {}, "alice"),
        (f"{thread}/resume", {}, "alice"),
        (f"{thread}/fork", {"at": 2}, "alice"),
        (f"{thread}/cancel", {}, "alice"),
        (f"/v1/requests/{request['code']}/answer", {"decision": "approve"}, "bob"),
    ):
        first, again = [await post(api, path, body, who=who) for _ in range(2)]
        assert first.is_success, first.text
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again.headers["Idempotency-Replayed"] == "true"


async def test_what_failed_may_be_tried_again_with_the_same_key(api: ApiHarness) -> None:
    thread = f"/v1/threads/{await api.start_thread('nap')}"
    assert (await post(api, f"{thread}/resume", {})).status_code == 409
    await api.client().post(f"{thread}/pause")
    assert (await post(api, f"{thread}/resume", {})).status_code == 200


async def test_an_answer_that_did_not_count_is_refused_again_and_kept_once(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    path = f"/v1/requests/{request['id']}/answer"
    first, again = [await post(api, path, {"decision": "approve"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (403, 403)
    assert first.content == again.content
    kept = (await api.client().get(f"/v1/requests/{request['id']}")).json()
    assert len(kept["answers"]) == 1


async def test_an_edit_is_answered_again_though_it_would_be_refused_by_now(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    path, body = f"/v1/requests/{request['id']}/answer", {"decision": "edit", "arguments": {"tag": "v2"}}
    first, again = [await post(api, path, body, who="bob") for _ in range(2)]
    assert first.status_code == 200
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ä", "a\tb"])
async def test_a_key_that_is_none_is_refused(api: ApiHarness, key: str) -> None:
    told = await api.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Idempotency-Key": key}, encoding="latin-1")
    )
    assert told.status_code == 422
    assert "idempotency-key" in told.json()["error"]["message"].lower()
    assert await threads(api) == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_any_visible_text_is_a_key(api: ApiHarness, key: str) -> None:
    told = [await post(api, "/v1/threads", {"message": "look"}, key) for _ in range(2)]
    assert told[0].content == told[1].content
