import asyncio
from typing import Any

import pytest
from httpx import Headers, Response

from tests.bot.web.surface import Surface


@pytest.fixture
def surface(either: Surface) -> Surface:
    return either


async def post(surface: Surface, path: str, body: Any, key: str = "k1", who: str = "alice") -> Response:
    return await surface.client(who).post(path, json=body, headers={"Idempotency-Key": key})


async def threads(surface: Surface) -> int:
    return len((await surface.client().get("/v1/threads", params={"limit": 200})).json()["threads"])


async def test_the_same_key_gets_the_first_answer_again(surface: Surface) -> None:
    first = await post(surface, "/v1/threads", {"message": "look"})
    await surface.until(first.json()["id"], lambda state: state.status == "done")
    again = await post(surface, "/v1/threads", {"message": "look"})
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await threads(surface) == 1


async def test_a_hundred_at_once_open_one_thread(surface: Surface) -> None:
    client = surface.client()
    told = await asyncio.gather(
        *(client.post("/v1/threads", json={"message": "look"}, headers={"Idempotency-Key": "one"}) for _ in range(100))
    )
    assert {one.status_code for one in told} == {201}
    assert len({one.content for one in told}) == 1
    assert sum("Idempotency-Replayed" in one.headers for one in told) == 99
    assert await threads(surface) == 1


async def test_a_key_that_comes_with_another_body_is_refused(surface: Surface) -> None:
    await post(surface, "/v1/threads", {"message": "look"})
    told = await post(surface, "/v1/threads", {"message": "push v1"})
    assert (told.status_code, told.json()["error"]["code"]) == (422, "key_reused")
    assert await threads(surface) == 1


async def test_a_key_belongs_to_its_token(surface: Surface) -> None:
    ids = {(await post(surface, "/v1/threads", {"message": "look"}, who=who)).json()["id"] for who in ("alice", "bob")}
    assert len(ids) == 2


async def test_a_key_belongs_to_its_path(surface: Surface) -> None:
    first, second = await surface.opened("nap"), await surface.opened("nap")
    paused = [await post(surface, f"/v1/threads/{one}/pause", {}) for one in (first, second)]
    assert [one.json()["id"] for one in paused] == [first, second]
    assert (await post(surface, f"/v1/threads/{first}/resume", {})).json()["status"] == "waiting_for_time"


async def test_without_a_key_everything_is_done_again(surface: Surface) -> None:
    for _ in range(2):
        await surface.client().post("/v1/threads", json={"message": "look"})
    assert await threads(surface) == 2


async def test_every_post_may_carry_a_key(surface: Surface) -> None:
    thread = f"/v1/threads/{await surface.opened('nap')}"
    request = await surface.asked("push v1")
    for path, body, who in (
        (f"{thread}/messages", {"text": "nap"}, "alice"),
        (f"{thread}/pause", {}, "alice"),
        (f"{thread}/resume", {}, "alice"),
        (f"{thread}/fork", {"at": 2}, "alice"),
        (f"{thread}/cancel", {}, "alice"),
        (f"/v1/requests/{request['code']}/answer", {"decision": "approve"}, "bob"),
    ):
        first, again = [await post(surface, path, body, who=who) for _ in range(2)]
        assert first.is_success, first.text
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again.headers["Idempotency-Replayed"] == "true"


async def test_what_failed_may_be_tried_again_with_the_same_key(surface: Surface) -> None:
    thread = f"/v1/threads/{await surface.opened('nap')}"
    assert (await post(surface, f"{thread}/resume", {})).status_code == 409
    await surface.client().post(f"{thread}/pause")
    assert (await post(surface, f"{thread}/resume", {})).status_code == 200


async def test_an_answer_that_did_not_count_is_refused_again_and_kept_once(surface: Surface) -> None:
    request = await surface.asked("push v1")
    path = f"/v1/requests/{request['id']}/answer"
    first, again = [await post(surface, path, {"decision": "approve"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (403, 403)
    assert first.content == again.content
    kept = (await surface.client().get(f"/v1/requests/{request['id']}")).json()
    assert len(kept["answers"]) == 1


async def test_an_edit_is_answered_again_though_it_would_be_refused_by_now(surface: Surface) -> None:
    request = await surface.asked("push v1")
    path, body = f"/v1/requests/{request['id']}/answer", {"decision": "edit", "arguments": {"tag": "v2"}}
    first, again = [await post(surface, path, body, who="bob") for _ in range(2)]
    assert first.status_code == 200
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ä", "a\tb"])
async def test_a_key_that_is_none_is_refused(surface: Surface, key: str) -> None:
    told = await surface.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Idempotency-Key": key}, encoding="latin-1")
    )
    assert told.status_code == 422
    assert "idempotency-key" in told.json()["error"]["message"].lower()
    assert await threads(surface) == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_any_visible_text_is_a_key(surface: Surface, key: str) -> None:
    told = [await post(surface, "/v1/threads", {"message": "look"}, key) for _ in range(2)]
    assert told[0].content == told[1].content
