"""Nobody lives while a deadline passes: it is told of once, late, and nothing happens in a burst."""

from tests.crashes.agent_under_test import EXPIRY_SECONDS
from tests.crashes.checker import find_violations
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import CONFLICT, requester_and_responder
from tests.crashes.snapshot import SystemSnapshot

HOUR = 3600.0


def types(snapshot: SystemSnapshot) -> list[str]:
    return [event.type for event in snapshot.events]


def wakes_late_twice(scenario: CrashScenario, ahead: float) -> SystemSnapshot:
    """Start hours later, and hours later again."""
    scenario.kill()
    before = scenario.take_snapshot()
    for hours in (ahead, 2 * ahead):
        scenario.start(clock_offset=hours)
        scenario.wait_until_idle()
        scenario.kill()
    return scenario.take_snapshot(before)


def test_approval_that_ran_out_during_downtime_expires_once(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("ship 1")
    scenario.wait_for_events("RequestShown")
    snapshot = wakes_late_twice(scenario, EXPIRY_SECONDS + 5.0)
    assert types(snapshot).count("RequestExpired") == 1
    assert snapshot.side_effects == []
    assert find_violations(snapshot, is_settled=True) == []


def test_late_approval_is_rejected_before_expiry_is_reported(
    scenario: CrashScenario,
) -> None:
    alice, bob = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("ship 1")
    scenario.wait_for_events("RequestShown")
    [request] = bob.client.get("/v1/requests?status=open")["requests"]
    scenario.kill()
    scenario.start("", 1, "--no-clock", clock_offset=EXPIRY_SECONDS + 5.0)
    assert bob.answer_request(request).status == CONFLICT
    assert "RequestAnswered" not in types(scenario.take_snapshot())
    snapshot = wakes_late_twice(scenario, EXPIRY_SECONDS + 5.0)
    assert types(snapshot).count("RequestExpired") == 1
    assert snapshot.side_effects == []
    assert find_violations(snapshot, is_settled=True) == []


def test_wait_that_ended_during_downtime_resumes_once(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("wait 3600 for 1")
    scenario.wait_for_events("TimerSet")
    snapshot = wakes_late_twice(scenario, 3 * HOUR)
    assert types(snapshot).count("TimerFired") == 1
    assert types(snapshot).count("ReplyChosen") == 1
    assert find_violations(snapshot, is_settled=True) == []


def test_each_waiting_thread_wakes_once_after_weeks(scenario: CrashScenario) -> None:
    """Within thirty days, twice: then the names of what came in are forgotten, and the checker would miss them."""
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    for order in range(10):
        alice.start_thread(f"wait 3600 for {order}")
    scenario.wait_for_events("TimerSet", times=10)
    snapshot = wakes_late_twice(scenario, 340 * HOUR)
    assert types(snapshot).count("TimerFired") == 10
    assert find_violations(snapshot, is_settled=True) == []


def test_new_process_does_not_fire_a_future_timer(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    thread = alice.start_thread("wait 3600 for 1")
    scenario.wait_for_events("TimerSet")
    scenario.kill()
    scenario.start(clock_offset=0.9 * HOUR)
    assert RetryingClient(scenario, "alice").get(f"/v1/threads/{thread}")["status"] == "waiting_for_time"
    scenario.kill()
    assert "TimerFired" not in types(scenario.take_snapshot())
    assert find_violations(scenario.take_snapshot(), is_settled=False) == []
