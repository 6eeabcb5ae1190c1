"""`handrail threads` against a running server, and `replay` without one."""

import sqlite3

import pytest

from bot.cli.threads import _MESSAGE_EVENTS, _render_message

TABLE_HEADER = ("thread", "status", "agent", "title", "requester", "updated")


@pytest.fixture
def thread(run_on_server):
    return run_on_server("chat", "--once", "what is deployed").lines[-1]


def test_thread_is_listed_and_shown_with_the_fields_of_the_api(run_on_server, thread):
    listed = run_on_server("threads", "list", "--json")
    assert thread["id"] in [item["id"] for item in listed.json]
    shown = run_on_server("threads", "show", thread["id"], "--json")
    assert {name: value for name, value in thread.items() if name != "type"}.keys() == shown.json.keys()
    assert shown.json["status"] == "done"


def test_output_for_people_is_tables(run_on_server, thread):
    listed, shown = run_on_server("threads", "list"), run_on_server("threads", "show", thread["id"])
    assert all(name in listed.out for name in TABLE_HEADER)
    assert "You: what is deployed" in shown.out
    for result in (listed, shown):
        assert thread["id"] in result.out
        assert "what is deployed" in result.out
        assert not any(line.endswith(" ") for line in result.out.splitlines())


def test_thread_is_found_by_a_prefix_of_its_id(run_on_server, thread):
    prefix = thread["id"][:-3]
    for command in ("show", "events", "replay"):
        assert run_on_server("threads", command, prefix).exit_code == 0
    assert run_on_server("threads", "messages", prefix, "list tags", "--json").json["id"] == thread["id"]
    assert run_on_server("requests", "list", "--thread", prefix, "--json").json == []
    ambiguous = run_on_server("threads", "cancel", thread["id"][:10])
    assert (ambiguous.exit_code, "threads begin with" in ambiguous.err, thread["id"] in ambiguous.err) == (
        1,
        True,
        True,
    )


def test_lists_are_limited_and_filtered(run_on_server, thread):
    assert len(run_on_server("threads", "list", "--limit", "1", "--json").json) == 1
    assert run_on_server("threads", "list", "--status", "paused", "--json").json == []
    assert run_on_server("threads", "list", "--status", "asleep").exit_code == 1


def test_events_are_read_after_any_seq(run_on_server, thread):
    events = run_on_server("threads", "events", thread["id"], "--json").json
    assert [event["seq"] for event in events] == list(range(1, thread["version"] + 1))
    assert run_on_server("threads", "events", thread["id"], "--after", "3", "--json").json == events[3:]
    output = run_on_server("threads", "events", thread["id"]).out
    assert "MessageReceived" in output
    assert "what is deployed" in output


def test_messages_are_shown_and_posted(run_on_server, thread):
    message_events = run_on_server("threads", "messages", thread["id"], "--json").json
    assert [event["type"] for event in message_events] == ["MessageReceived", "ReplyChosen"]
    assert "You: what is deployed" in run_on_server("threads", "messages", thread["id"]).out
    posted = run_on_server("threads", "messages", thread["id"], "list tags", "--json")
    assert posted.json["id"] == thread["id"]
    assert posted.json["version"] > thread["version"]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("MessageReceived", {"text": "ship v1"}, "alice: ship v1"),
        ("MessageEdited", {"ref": "C1:1.5", "text": "ship v2"}, "alice (edited): ship v2"),
        ("MessageDeleted", {"ref": "C1:1.5"}, "alice deleted a message"),
        ("ReplyChosen", {"text": "Done."}, "alice: Done."),
    ],
)
def test_edited_and_deleted_messages_are_marked(kind, data, shown):
    assert kind in _MESSAGE_EVENTS
    assert str(_render_message({"type": kind, "actor": "person:alice", "data": data})) == shown


def test_thread_is_paused_resumed_and_cancelled_once(run_on_server):
    thread_id = run_on_server("chat", "--once", "deploy v1.4.0 to staging").lines[-1]["id"]
    assert run_on_server("threads", "pause", thread_id, "--json").json["status"] == "paused"
    again = run_on_server("threads", "pause", thread_id)
    assert again.exit_code == 1
    assert "paused" in again.err
    assert run_on_server("threads", "resume", thread_id, "--json").json["status"] == "waiting_for_human"
    assert run_on_server("threads", "cancel", thread_id, "--json").json["status"] == "cancelled"
    assert run_on_server("threads", "resume", thread_id).exit_code == 1
    assert run_on_server("requests", "list", "--thread", thread_id, "--json").json[0]["status"] == "cancelled"


def test_thread_is_forked_at_an_event_or_at_its_end(run_on_server, thread):
    forked = run_on_server("threads", "fork", thread["id"], "--at", "2", "--json").json
    assert forked["id"] != thread["id"]
    fork_at_end = run_on_server("threads", "fork", thread["id"], "--json").json
    assert fork_at_end["version"] == thread["version"] + 1
    assert run_on_server("threads", "fork", thread["id"], "--at", "999").exit_code == 1


@pytest.mark.parametrize("command", ["show", "events", "messages", "pause", "resume", "cancel", "fork", "replay"])
def test_unknown_thread_is_an_error(run_on_server, command):
    refused = run_on_server("threads", command, "thr_none")
    assert (refused.exit_code, refused.out) == (1, "")
    assert "thr_none" in refused.err


def test_running_server_replays_a_thread(run_on_server, thread):
    result = run_on_server("threads", "replay", thread["id"], "--json")
    assert result.exit_code == 0
    assert result.json == {
        "id": thread["id"],
        "version": thread["version"],
        "status": "done",
        "events": thread["version"],
        "matches": True,
    }
    assert "the stored state matches" in run_on_server("threads", "replay", thread["id"]).err


def test_replay_without_a_server_reads_the_database(folder):
    with folder.running_server() as server:
        thread = server.folder.run("chat", "--once", "what is deployed").lines[-1]
        result = server.folder.run("threads", "replay", thread["id"], "--json").json
        assert server.process.stop() == 0
    no_server = {"HANDRAIL_URL": "http://127.0.0.1:1"}
    again = folder.run("threads", "replay", thread["id"], "--json", **no_server)
    assert (again.exit_code, again.json) == (0, result)

    with sqlite3.connect(folder.path / ".handrail" / "handrail.db") as database:
        database.execute("UPDATE thread SET state = json_set(state, '$.agent', 'another')")
    database.close()
    differs = folder.run("threads", "replay", thread["id"], "--json", **no_server)
    assert differs.exit_code == 1
    assert differs.json == {**result, "matches": False}
    assert "DIFFERS" in folder.run("threads", "replay", thread["id"], **no_server).err
    assert folder.run("threads", "replay", "thr_none", **no_server).exit_code == 1
