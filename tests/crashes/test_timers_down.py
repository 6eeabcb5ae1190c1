"""Deadlines pass while no process runs: each is reported once, after the restart."""

from tests.crashes.agent_under_test import APPROVAL_EXPIRY_SECONDS
from tests.crashes.checker import find_violations
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario, quick_on
from tests.crashes.simulated_users import CONFLICT, requester_and_responder
from tests.crashes.snapshot import SystemSnapshot

HOUR_SECONDS = 3600.0


def event_types(snapshot: SystemSnapshot) -> list[str]:
    return [event.type for event in snapshot.events]


def restart_late_twice(scenario: CrashScenario, offset_seconds: float) -> SystemSnapshot:
    """Start with the clock ahead, and again with the clock twice as far ahead. Returns the final snapshot."""
    scenario.kill()
    before = scenario.take_snapshot()
    for clock_offset_seconds in (offset_seconds, 2 * offset_seconds):
        scenario.start(clock_offset_seconds=clock_offset_seconds)
        scenario.wait_until_idle()
        scenario.kill()
    return scenario.take_snapshot(before)


@quick_on("postgresql")
def test_approval_that_ran_out_during_downtime_expires_once(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("ship 1")
    scenario.wait_for_events("RequestShown")
    snapshot = restart_late_twice(scenario, APPROVAL_EXPIRY_SECONDS + 5.0)
    assert event_types(snapshot).count("RequestExpired") == 1
    assert snapshot.side_effects == []
    assert find_violations(snapshot, is_work_finished=True) == []


@quick_on("sqlite")
def test_late_approval_is_rejected_before_expiry_is_reported(
    scenario: CrashScenario,
) -> None:
    alice, bob = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("ship 1")
    scenario.wait_for_events("RequestShown")
    [request] = bob.client.get("/v1/requests?status=open")["requests"]
    scenario.kill()
    scenario.start(flags=["--no-clock"], clock_offset_seconds=APPROVAL_EXPIRY_SECONDS + 5.0)
    assert bob.answer_request(request).status == CONFLICT
    assert "RequestAnswered" not in event_types(scenario.take_snapshot())
    snapshot = restart_late_twice(scenario, APPROVAL_EXPIRY_SECONDS + 5.0)
    assert event_types(snapshot).count("RequestExpired") == 1
    assert snapshot.side_effects == []
    assert find_violations(snapshot, is_work_finished=True) == []


@quick_on("sqlite")
def test_wait_that_ended_during_downtime_resumes_once(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    alice.start_thread("wait 3600 for 1")
    scenario.wait_for_events("TimerSet")
    snapshot = restart_late_twice(scenario, 3 * HOUR_SECONDS)
    assert event_types(snapshot).count("TimerFired") == 1
    assert event_types(snapshot).count("ReplyChosen") == 1
    assert find_violations(snapshot, is_work_finished=True) == []


@quick_on("postgresql")
def test_each_waiting_thread_wakes_once_after_weeks(scenario: CrashScenario) -> None:
    """Both offsets stay below thirty days, after which inbox rows are deleted and the checker would miss them."""
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    for order in range(10):
        alice.start_thread(f"wait 3600 for {order}")
    scenario.wait_for_events("TimerSet", times=10)
    snapshot = restart_late_twice(scenario, 340 * HOUR_SECONDS)
    assert event_types(snapshot).count("TimerFired") == 10
    assert find_violations(snapshot, is_work_finished=True) == []


@quick_on("sqlite")
def test_new_process_does_not_fire_a_future_timer(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    thread = alice.start_thread("wait 3600 for 1")
    scenario.wait_for_events("TimerSet")
    scenario.kill()
    scenario.start(clock_offset_seconds=0.9 * HOUR_SECONDS)
    assert RetryingClient(scenario, "alice").get(f"/v1/threads/{thread}")["status"] == "waiting_for_time"
    scenario.kill()
    assert "TimerFired" not in event_types(scenario.take_snapshot())
    assert find_violations(scenario.take_snapshot(), is_work_finished=False) == []
