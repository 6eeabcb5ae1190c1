"""`handrail threads` against a running server, and `replay` without one."""

import sqlite3

import pytest

from bot.cli.threads import _MESSAGE_EVENTS, _render_message

TABLE = ("thread", "status", "agent", "title", "for", "last moved")


@pytest.fixture
def thread(run_on_server):
    return run_on_server("chat", "--once", "what is deployed").lines[-1]


def test_a_thread_is_listed_and_shown_as_http_tells_it(run_on_server, thread):
    listed = run_on_server("threads", "list", "--json")
    assert thread["id"] in [one["id"] for one in listed.json]
    shown = run_on_server("threads", "show", thread["id"], "--json")
    assert {name: value for name, value in thread.items() if name != "type"}.keys() == shown.json.keys()
    assert shown.json["status"] == "done"


def test_people_read_tables(run_on_server, thread):
    listed, shown = run_on_server("threads", "list"), run_on_server("threads", "show", thread["id"])
    assert all(name in listed.out for name in TABLE)
    assert "You: what is deployed" in shown.out
    for told in (listed, shown):
        assert thread["id"] in told.out
        assert "what is deployed" in told.out
        assert not any(line.endswith(" ") for line in told.out.splitlines())


def test_a_thread_is_named_by_the_beginning_of_its_id(run_on_server, thread):
    beginning = thread["id"][:-3]
    for order in (("show",), ("events",), ("replay",)):
        assert run_on_server("threads", *order, beginning).exit_code == 0
    assert run_on_server("threads", "messages", beginning, "list tags", "--json").json["id"] == thread["id"]
    assert run_on_server("requests", "list", "--thread", beginning, "--json").json == []
    ambiguous = run_on_server("threads", "cancel", thread["id"][:10])
    assert (ambiguous.exit_code, "threads begin with" in ambiguous.err, thread["id"] in ambiguous.err) == (
        1,
        True,
        True,
    )


def test_lists_are_cut_and_filtered(run_on_server, thread):
    assert len(run_on_server("threads", "list", "--limit", "1", "--json").json) == 1
    assert run_on_server("threads", "list", "--status", "paused", "--json").json == []
    assert run_on_server("threads", "list", "--status", "asleep").exit_code == 1


def test_the_log_is_read_from_any_place(run_on_server, thread):
    events = run_on_server("threads", "events", thread["id"], "--json").json
    assert [event["seq"] for event in events] == list(range(1, thread["version"] + 1))
    assert run_on_server("threads", "events", thread["id"], "--after", "3", "--json").json == events[3:]
    told = run_on_server("threads", "events", thread["id"]).out
    assert "MessageReceived" in told
    assert "what is deployed" in told


def test_messages_show_what_was_said_and_say_more(run_on_server, thread):
    said = run_on_server("threads", "messages", thread["id"], "--json").json
    assert [one["type"] for one in said] == ["MessageReceived", "ReplyChosen"]
    assert "You: what is deployed" in run_on_server("threads", "messages", thread["id"]).out
    posted = run_on_server("threads", "messages", thread["id"], "list tags", "--json")
    assert posted.json["id"] == thread["id"]
    assert posted.json["version"] > thread["version"]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("MessageReceived", {"text": "ship v1"}, "alice: ship v1"),
        ("MessageEdited", {"ref": "C1:1.5", "text": "ship v2"}, "alice (edited): ship v2"),
        ("MessageDeleted", {"ref": "C1:1.5"}, "alice took a message back"),
        ("ReplyChosen", {"text": "Done."}, "alice: Done."),
    ],
)
def test_what_became_of_a_message_is_shown_where_it_was_said(kind, data, shown):
    assert kind in _MESSAGE_EVENTS
    assert str(_render_message({"type": kind, "actor": "person:alice", "data": data})) == shown


def test_a_thread_is_paused_resumed_and_cancelled_once(run_on_server):
    asking = run_on_server("chat", "--once", "deploy v1.4.0 to staging").lines[-1]["id"]
    assert run_on_server("threads", "pause", asking, "--json").json["status"] == "paused"
    again = run_on_server("threads", "pause", asking)
    assert again.exit_code == 1
    assert "paused" in again.err
    assert run_on_server("threads", "resume", asking, "--json").json["status"] == "waiting_for_human"
    assert run_on_server("threads", "cancel", asking, "--json").json["status"] == "cancelled"
    assert run_on_server("threads", "resume", asking).exit_code == 1
    assert run_on_server("requests", "list", "--thread", asking, "--json").json[0]["status"] == "cancelled"


def test_a_thread_is_forked_at_an_event_or_at_its_end(run_on_server, thread):
    forked = run_on_server("threads", "fork", thread["id"], "--at", "2", "--json").json
    assert forked["id"] != thread["id"]
    whole = run_on_server("threads", "fork", thread["id"], "--json").json
    assert whole["version"] == thread["version"] + 1
    assert run_on_server("threads", "fork", thread["id"], "--at", "999").exit_code == 1


@pytest.mark.parametrize("order", ["show", "events", "messages", "pause", "resume", "cancel", "fork", "replay"])
def test_a_thread_that_is_not_there_is_told_as_such(run_on_server, order):
    refused = run_on_server("threads", order, "thr_none")
    assert (refused.exit_code, refused.out) == (1, "")
    assert "thr_none" in refused.err


def test_a_running_server_replays(run_on_server, thread):
    told = run_on_server("threads", "replay", thread["id"], "--json")
    assert told.exit_code == 0
    assert told.json == {
        "id": thread["id"],
        "version": thread["version"],
        "status": "done",
        "events": thread["version"],
        "matches": True,
    }
    assert "is what they fold to" in run_on_server("threads", "replay", thread["id"]).err


def test_without_a_server_replay_reads_the_database_and_finds_what_differs(folder):
    with folder.running_server() as server:
        thread = server.folder.run("chat", "--once", "what is deployed").lines[-1]
        told = server.folder.run("threads", "replay", thread["id"], "--json").json
        assert server.process.stop() == 0
    nowhere = {"HANDRAIL_URL": "http://127.0.0.1:1"}
    again = folder.run("threads", "replay", thread["id"], "--json", **nowhere)
    assert (again.exit_code, again.json) == (0, told)

    with sqlite3.connect(folder.path / ".handrail" / "handrail.db") as database:
        database.execute("UPDATE thread SET state = json_set(state, '$.agent', 'somebody else')")
    database.close()
    differs = folder.run("threads", "replay", thread["id"], "--json", **nowhere)
    assert differs.exit_code == 1
    assert differs.json == {**told, "matches": False}
    assert "DIFFERS" in folder.run("threads", "replay", thread["id"], **nowhere).err
    assert folder.run("threads", "replay", "thr_none", **nowhere).exit_code == 1
