"""`handrail threads` against a running server, and `replay` without one."""

import sqlite3

import pytest

from bot.cli.threads import _SAID, _spoken

TABLE = ("thread", "status", "agent", "title", "for", "last moved")


@pytest.fixture
def thread(served):
    return served("chat", "--once", "what is deployed").lines[-1]


def test_a_thread_is_listed_and_shown_as_http_tells_it(served, thread):
    listed = served("threads", "list", "--json")
    assert thread["id"] in [one["id"] for one in listed.json]
    shown = served("threads", "show", thread["id"], "--json")
    assert {name: value for name, value in thread.items() if name != "type"}.keys() == shown.json.keys()
    assert shown.json["status"] == "done"


def test_people_read_tables(served, thread):
    listed, shown = served("threads", "list"), served("threads", "show", thread["id"])
    assert all(name in listed.out for name in TABLE)
    assert "You: what is deployed" in shown.out
    for told in (listed, shown):
        assert thread["id"] in told.out
        assert "what is deployed" in told.out
        assert not any(line.endswith(" ") for line in told.out.splitlines())


def test_a_thread_is_named_by_the_beginning_of_its_id(served, thread):
    beginning = thread["id"][:-3]
    for order in (("show",), ("events",), ("replay",)):
        assert served("threads", *order, beginning).code == 0
    assert served("threads", "messages", beginning, "list tags", "--json").json["id"] == thread["id"]
    assert served("requests", "list", "--thread", beginning, "--json").json == []
    ambiguous = served("threads", "cancel", thread["id"][:10])
    assert (ambiguous.code, "threads begin with" in ambiguous.err, thread["id"] in ambiguous.err) == (1, True, True)


def test_lists_are_cut_and_filtered(served, thread):
    assert len(served("threads", "list", "--limit", "1", "--json").json) == 1
    assert served("threads", "list", "--status", "paused", "--json").json == []
    assert served("threads", "list", "--status", "asleep").code == 1


def test_the_log_is_read_from_any_place(served, thread):
    events = served("threads", "events", thread["id"], "--json").json
    assert [event["seq"] for event in events] == list(range(1, thread["version"] + 1))
    assert served("threads", "events", thread["id"], "--after", "3", "--json").json == events[3:]
    told = served("threads", "events", thread["id"]).out
    assert "MessageReceived" in told
    assert "what is deployed" in told


def test_messages_show_what_was_said_and_say_more(served, thread):
    said = served("threads", "messages", thread["id"], "--json").json
    assert [one["type"] for one in said] == ["MessageReceived", "ReplyChosen"]
    assert "You: what is deployed" in served("threads", "messages", thread["id"]).out
    posted = served("threads", "messages", thread["id"], "list tags", "--json")
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
    assert kind in _SAID
    assert str(_spoken({"type": kind, "actor": "person:alice", "data": data})) == shown


def test_a_thread_is_paused_resumed_and_cancelled_once(served):
    asking = served("chat", "--once", "deploy v1.4.0 to staging").lines[-1]["id"]
    assert served("threads", "pause", asking, "--json").json["status"] == "paused"
    again = served("threads", "pause", asking)
    assert again.code == 1
    assert "paused" in again.err
    assert served("threads", "resume", asking, "--json").json["status"] == "waiting_for_human"
    assert served("threads", "cancel", asking, "--json").json["status"] == "cancelled"
    assert served("threads", "resume", asking).code == 1
    assert served("requests", "list", "--thread", asking, "--json").json[0]["status"] == "cancelled"


def test_a_thread_is_forked_at_an_event_or_at_its_end(served, thread):
    forked = served("threads", "fork", thread["id"], "--at", "2", "--json").json
    assert forked["id"] != thread["id"]
    whole = served("threads", "fork", thread["id"], "--json").json
    assert whole["version"] == thread["version"] + 1
    assert served("threads", "fork", thread["id"], "--at", "999").code == 1


@pytest.mark.parametrize("order", ["show", "events", "messages", "pause", "resume", "cancel", "fork", "replay"])
def test_a_thread_that_is_not_there_is_told_as_such(served, order):
    refused = served("threads", order, "thr_none")
    assert (refused.code, refused.out) == (1, "")
    assert "thr_none" in refused.err


def test_a_running_server_replays(served, thread):
    told = served("threads", "replay", thread["id"], "--json")
    assert told.code == 0
    assert told.json == {
        "id": thread["id"],
        "version": thread["version"],
        "status": "done",
        "events": thread["version"],
        "matches": True,
    }
    assert "is what they fold to" in served("threads", "replay", thread["id"]).err


def test_without_a_server_replay_reads_the_database_and_finds_what_differs(folder):
    with folder.up() as server:
        thread = server.folder.run("chat", "--once", "what is deployed").lines[-1]
        told = server.folder.run("threads", "replay", thread["id"], "--json").json
        assert server.talking.stop() == 0
    nowhere = {"HANDRAIL_URL": "http://127.0.0.1:1"}
    again = folder.run("threads", "replay", thread["id"], "--json", **nowhere)
    assert (again.code, again.json) == (0, told)

    with sqlite3.connect(folder.path / ".handrail" / "handrail.db") as database:
        database.execute("UPDATE thread SET state = json_set(state, '$.agent', 'somebody else')")
    database.close()
    differs = folder.run("threads", "replay", thread["id"], "--json", **nowhere)
    assert differs.code == 1
    assert differs.json == {**told, "matches": False}
    assert "DIFFERS" in folder.run("threads", "replay", thread["id"], **nowhere).err
    assert folder.run("threads", "replay", "thr_none", **nowhere).code == 1
