import pytest

from agents.state import ThreadState
from tests.bot.web.surface import Surface


async def test_a_thread_is_paused_and_goes_back_to_what_it_waited_for(surface: Surface) -> None:
    request = await surface.asked("push v1")
    client, thread = surface.client(), f"/v1/threads/{request['thread_id']}"
    paused = await client.post(f"{thread}/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    resumed = await client.post(f"{thread}/resume")
    assert (resumed.status_code, resumed.json()["status"]) == (200, "waiting_for_human")
    assert resumed.json()["open_requests"] == [request["id"]]


async def test_cancelling_a_thread_closes_what_it_asks(surface: Surface) -> None:
    request = await surface.asked("push v1")
    cancelled = await surface.client().post(f"/v1/threads/{request['thread_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["open_requests"] == []
    assert (await surface.client().get(f"/v1/requests/{request['id']}")).json()["status"] == "cancelled"


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
    surface: Surface, orders: list[str], status: str
) -> None:
    thread = f"/v1/threads/{(await surface.asked('push v1'))['thread_id']}"
    told = [await surface.client().post(f"{thread}/{order}") for order in orders]
    assert [one.status_code for one in told[:-1]] == [200] * (len(orders) - 1)
    error = told[-1].json()["error"]
    assert told[-1].status_code == 409
    assert error["code"] == "wrong_state"
    assert error["details"] == {"status": status}
    assert status in error["message"]


async def test_whoever_gives_an_order_is_written_down(surface: Surface) -> None:
    thread = f"/v1/threads/{await surface.opened('nap')}"
    await surface.client("carol").post(f"{thread}/pause")
    await surface.client("local").post(f"{thread}/resume")
    events = (await surface.client().get(f"{thread}/events")).json()["events"]
    orders = {event["type"]: event["actor"] for event in events[-2:]}
    assert orders == {"ThreadPaused": "person:carol", "ThreadResumed": "person:you"}


async def test_an_order_may_come_with_an_empty_object(surface: Surface) -> None:
    thread_id = await surface.opened("nap")
    assert (await surface.client().post(f"/v1/threads/{thread_id}/pause", json={})).status_code == 200


async def test_a_fork_inherits_the_events_and_no_open_request(surface: Surface) -> None:
    request = await surface.asked("push v1")
    version = (await surface.bot.engine.load(request["thread_id"])).version
    told = await surface.client().post(f"/v1/threads/{request['thread_id']}/fork", json={"at": version})
    assert told.status_code == 201
    fork = told.json()
    assert fork["id"] != request["thread_id"]
    assert fork["open_requests"] == []
    assert fork["version"] == version + 1
    assert fork["status"] == "done"


async def test_a_fork_goes_its_own_way(surface: Surface) -> None:
    parent = await surface.opened("look")
    fork = (await surface.client().post(f"/v1/threads/{parent}/fork", json={"at": 2})).json()
    await surface.client().post(f"/v1/threads/{fork['id']}/messages", json={"text": "push v2"})

    def waiting(state: ThreadState) -> bool:
        return state.status == "waiting_for_human"

    assert waiting(await surface.until(fork["id"], waiting))
    assert not waiting(await surface.bot.engine.load(parent))


@pytest.mark.parametrize("at", [0, -1, 10_000, 2**53 + 1, "2", 2.5, True, None])
async def test_a_fork_at_no_event_of_the_thread_is_refused(surface: Surface, at: object) -> None:
    thread_id = await surface.opened("look")
    told = await surface.client().post(f"/v1/threads/{thread_id}/fork", json={"at": at})
    assert told.status_code == 422
