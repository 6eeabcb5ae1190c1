import pytest

from agents.state import ThreadState
from tests.bot.web.api_harness import ApiHarness


async def test_a_thread_is_paused_and_goes_back_to_what_it_waited_for(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    client, thread = api.client(), f"/v1/threads/{request['thread_id']}"
    paused = await client.post(f"{thread}/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    resumed = await client.post(f"{thread}/resume")
    assert (resumed.status_code, resumed.json()["status"]) == (200, "waiting_for_human")
    assert resumed.json()["open_requests"] == [request["id"]]


async def test_cancelling_a_thread_closes_what_it_asks(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    cancelled = await api.client().post(f"/v1/threads/{request['thread_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["open_requests"] == []
    assert (await api.client().get(f"/v1/requests/{request['id']}")).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("orders", "status"),
    [
        (["pause", "pause"], "paused"),
        (["cancel", "cancel"], "cancelled"),
        (["resume"], "waiting_for_human"),
        (["cancel", "pause"], "cancelled"),
        (["cancel", "resume"], "cancelled"),
    ],
)
async def test_an_order_that_does_not_fit_is_refused_with_the_present_status(
    api: ApiHarness, orders: list[str], status: str
) -> None:
    thread = f"/v1/threads/{(await api.open_request('push v1'))['thread_id']}"
    told = [await api.client().post(f"{thread}/{order}") for order in orders]
    assert [one.status_code for one in told[:-1]] == [200] * (len(orders) - 1)
    error = told[-1].json()["error"]
    assert told[-1].status_code == 409
    assert error["code"] == "wrong_state"
    assert error["details"] == {"status": status}
    assert status in error["message"]


async def test_whoever_gives_an_order_is_written_down(api: ApiHarness) -> None:
    thread = f"/v1/threads/{await api.start_thread('nap')}"
    await api.client("carol").post(f"{thread}/pause")
    await api.client("local").post(f"{thread}/resume")
    events = (await api.client().get(f"{thread}/events")).json()["events"]
    orders = {event["type"]: event["actor"] for event in events[-2:]}
    assert orders == {"ThreadPaused": "person:carol", "ThreadResumed": "person:you"}


async def test_an_order_may_come_with_an_empty_object(api: ApiHarness) -> None:
    thread_id = await api.start_thread("nap")
    assert (await api.client().post(f"/v1/threads/{thread_id}/pause", json={})).status_code == 200


async def test_a_fork_inherits_the_events_and_no_open_request(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    version = (await api.bot.engine.load(request["thread_id"])).version
    told = await api.client().post(f"/v1/threads/{request['thread_id']}/fork", json={"at": version})
    assert told.status_code == 201
    fork = told.json()
    assert fork["id"] != request["thread_id"]
    assert fork["open_requests"] == []
    assert fork["version"] == version + 1
    assert fork["status"] == "done"


async def test_a_fork_goes_its_own_way(api: ApiHarness) -> None:
    parent = await api.start_thread("look")
    fork = (await api.client().post(f"/v1/threads/{parent}/fork", json={"at": 2})).json()
    await api.client().post(f"/v1/threads/{fork['id']}/messages", json={"text": "push v2"})

    def waiting(state: ThreadState) -> bool:
        return state.status == "waiting_for_human"

    assert waiting(await api.wait_until(fork["id"], waiting))
    assert not waiting(await api.bot.engine.load(parent))


@pytest.mark.parametrize("at", [0, -1, 10_000, 2**53 + 1, "2", 2.5, True, None])
async def test_a_fork_at_no_event_of_the_thread_is_refused(api: ApiHarness, at: object) -> None:
    thread_id = await api.start_thread("look")
    told = await api.client().post(f"/v1/threads/{thread_id}/fork", json={"at": at})
    assert told.status_code == 422
