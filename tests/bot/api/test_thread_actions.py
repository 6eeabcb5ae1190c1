import pytest

from agents.core.state import ThreadState
from tests.harness.api import ApiHarness


async def test_resumed_thread_waits_for_its_request_again(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    client, thread_path = api.client(), f"/v1/threads/{request['thread_id']}"
    pause_response = await client.post(f"{thread_path}/pause")
    assert (pause_response.status_code, pause_response.json()["status"]) == (200, "paused")
    resume_response = await client.post(f"{thread_path}/resume")
    assert (resume_response.status_code, resume_response.json()["status"]) == (200, "waiting_for_human")
    assert resume_response.json()["open_requests"] == [request["id"]]


async def test_cancelling_a_thread_closes_its_request(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.client().post(f"/v1/threads/{request['thread_id']}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert response.json()["open_requests"] == []
    assert (await api.client().get(f"/v1/requests/{request['id']}")).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("actions", "status"),
    [
        (["pause", "pause"], "paused"),
        (["cancel", "cancel"], "cancelled"),
        (["resume"], "waiting_for_human"),
        (["cancel", "pause"], "cancelled"),
        (["cancel", "resume"], "cancelled"),
    ],
)
async def test_invalid_action_is_refused_with_the_current_status(
    api: ApiHarness, actions: list[str], status: str
) -> None:
    thread_path = f"/v1/threads/{(await api.open_request('push v1'))['thread_id']}"
    responses = [await api.client().post(f"{thread_path}/{action}") for action in actions]
    assert [response.status_code for response in responses[:-1]] == [200] * (len(actions) - 1)
    error = responses[-1].json()["error"]
    assert responses[-1].status_code == 409
    assert error["code"] == "wrong_state"
    assert error["details"] == {"status": status}
    assert status in error["message"]


async def test_action_records_its_actor(api: ApiHarness) -> None:
    thread_path = f"/v1/threads/{await api.start_thread('nap')}"
    await api.client("carol").post(f"{thread_path}/pause")
    await api.client("local").post(f"{thread_path}/resume")
    events = (await api.client().get(f"{thread_path}/events")).json()["events"]
    actors = {event["type"]: event["actor"] for event in events[-2:]}
    assert actors == {"ThreadPaused": "person:carol", "ThreadResumed": "person:you"}


async def test_action_accepts_an_empty_object(api: ApiHarness) -> None:
    thread_id = await api.start_thread("nap")
    assert (await api.client().post(f"/v1/threads/{thread_id}/pause", json={})).status_code == 200


async def test_fork_copies_events_but_no_open_request(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    version = (await api.bot.engine.load(request["thread_id"])).version
    response = await api.client().post(f"/v1/threads/{request['thread_id']}/fork", json={"at": version})
    assert response.status_code == 201
    fork = response.json()
    assert fork["id"] != request["thread_id"]
    assert fork["open_requests"] == []
    assert fork["version"] == version + 1
    assert fork["status"] == "done"


async def test_fork_is_independent_of_its_parent(api: ApiHarness) -> None:
    parent_id = await api.start_thread("look")
    fork = (await api.client().post(f"/v1/threads/{parent_id}/fork", json={"at": 2})).json()
    await api.client().post(f"/v1/threads/{fork['id']}/messages", json={"text": "push v2"})

    def is_waiting(state: ThreadState) -> bool:
        return state.status == "waiting_for_human"

    assert is_waiting(await api.wait_until(fork["id"], is_waiting))
    assert not is_waiting(await api.bot.engine.load(parent_id))


@pytest.mark.parametrize("at", [0, -1, 10_000, 2**53 + 1, "2", 2.5, True, None])
async def test_fork_at_an_invalid_event_is_refused(api: ApiHarness, at: object) -> None:
    thread_id = await api.start_thread("look")
    response = await api.client().post(f"/v1/threads/{thread_id}/fork", json={"at": at})
    assert response.status_code == 422
