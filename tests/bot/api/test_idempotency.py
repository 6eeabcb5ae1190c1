import asyncio
from typing import Any

import pytest
from httpx2 import Headers, Response

from tests.harness.api import ApiHarness


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


async def post(api: ApiHarness, path: str, body: Any, key: str = "k1", owner: str = "alice") -> Response:
    return await api.client(owner).post(path, json=body, headers={"Idempotency-Key": key})


async def count_threads(api: ApiHarness) -> int:
    return len((await api.client().get("/v1/threads", params={"limit": 200})).json()["threads"])


async def test_same_key_replays_the_first_response(api: ApiHarness) -> None:
    first = await post(api, "/v1/threads", {"message": "look"})
    await api.wait_until(first.json()["id"], lambda state: state.status == "done")
    again = await post(api, "/v1/threads", {"message": "look"})
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await count_threads(api) == 1


async def test_100_concurrent_posts_open_one_thread(api: ApiHarness) -> None:
    client = api.client()
    responses = await asyncio.gather(
        *(client.post("/v1/threads", json={"message": "look"}, headers={"Idempotency-Key": "one"}) for _ in range(100))
    )
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotency-Replayed" in response.headers for response in responses) == 99
    assert await count_threads(api) == 1


async def test_key_with_another_body_is_refused(api: ApiHarness) -> None:
    await post(api, "/v1/threads", {"message": "look"})
    response = await post(api, "/v1/threads", {"message": "push v1"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "key_reused")
    assert await count_threads(api) == 1


async def test_key_is_scoped_to_its_token(api: ApiHarness) -> None:
    ids = {
        (await post(api, "/v1/threads", {"message": "look"}, owner=owner)).json()["id"] for owner in ("alice", "bob")
    }
    assert len(ids) == 2


async def test_key_is_scoped_to_its_path(api: ApiHarness) -> None:
    first, second = await api.start_thread("nap"), await api.start_thread("nap")
    responses = [await post(api, f"/v1/threads/{thread_id}/pause", {}) for thread_id in (first, second)]
    assert [response.json()["id"] for response in responses] == [first, second]
    assert (await post(api, f"/v1/threads/{first}/resume", {})).json()["status"] == "waiting_for_time"


async def test_without_a_key_a_post_is_repeated(api: ApiHarness) -> None:
    for _ in range(2):
        await api.client().post("/v1/threads", json={"message": "look"})
    assert await count_threads(api) == 2


async def test_every_post_supports_a_key(api: ApiHarness) -> None:
    thread_path = f"/v1/threads/{await api.start_thread('nap')}"
    request = await api.open_request("push v1")
    for path, body, owner in (
        (f"{thread_path}/messages", {"text": "nap"}, "alice"),
        (f"{thread_path}/pause", {}, "alice"),
        (f"{thread_path}/resume", {}, "alice"),
        (f"{thread_path}/fork", {"at": 2}, "alice"),
        (f"{thread_path}/cancel", {}, "alice"),
        (f"/v1/requests/{request['code']}/answer", {"decision": "approve"}, "bob"),
    ):
        first, again = [await post(api, path, body, owner=owner) for _ in range(2)]
        assert first.is_success, first.text
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again.headers["Idempotency-Replayed"] == "true"


async def test_failed_post_may_be_retried_with_the_same_key(api: ApiHarness) -> None:
    thread_path = f"/v1/threads/{await api.start_thread('nap')}"
    assert (await post(api, f"{thread_path}/resume", {})).status_code == 409
    await api.client().post(f"{thread_path}/pause")
    assert (await post(api, f"{thread_path}/resume", {})).status_code == 200


async def test_answer_that_did_not_count_is_recorded_once(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    path = f"/v1/requests/{request['id']}/answer"
    first, again = [await post(api, path, {"decision": "approve"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (403, 403)
    assert first.content == again.content
    stored_request = (await api.client().get(f"/v1/requests/{request['id']}")).json()
    assert len(stored_request["answers"]) == 1


async def test_replayed_edit_is_not_evaluated_again(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    path, body = f"/v1/requests/{request['id']}/answer", {"decision": "edit", "arguments": {"tag": "v2"}}
    first, again = [await post(api, path, body, owner="bob") for _ in range(2)]
    assert first.status_code == 200
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ä", "a\tb"])
async def test_invalid_key_is_refused(api: ApiHarness, key: str) -> None:
    response = await api.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Idempotency-Key": key}, encoding="latin-1")
    )
    assert response.status_code == 422
    assert "idempotency-key" in response.json()["error"]["message"].lower()
    assert await count_threads(api) == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_any_visible_ascii_text_is_a_key(api: ApiHarness, key: str) -> None:
    first, again = [await post(api, "/v1/threads", {"message": "look"}, key) for _ in range(2)]
    assert first.content == again.content
