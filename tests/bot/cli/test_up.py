"""`handrail up`, as a process: what it makes, what it survives, how it stops, when it refuses."""

import signal
import socket
import stat
import time
from contextlib import contextmanager

import pytest

PROMISED_SECONDS = 10.0


def test_a_deployment_is_asked_for_approved_and_done(folder):
    with folder.running_server() as server:
        asked = server.folder.run("chat", "--once", "deploy v1.4.0 to production")
        assert asked.exit_code == 0
        card, thread = asked.lines
        assert (card["type"], card["tool"], card["status"]) == ("request", "push_release_tag", "open")
        assert (thread["type"], thread["status"]) == ("thread", "waiting_for_human")

        approved = server.folder.run("requests", "approve", card["code"], "--comment", "go", "--json")
        assert approved.json["status"] == "approved"
        assert approved.json["answers"][0]["channel"] == "terminal:you"

        with server.folder.start("threads", "events", thread["id"], "--follow", "--json") as log:
            log.wait_for_output("ThreadFinished")
        assert server.folder.run("threads", "show", thread["id"], "--json").json["status"] == "done"
        assert folder.run_git("rev-parse", "production^{commit}") == folder.run_git("rev-parse", "v1.4.0^{commit}")


def test_killing_the_server_while_a_card_is_open_changes_nothing_for_the_person(folder):
    with folder.running_server() as server, server.folder.start("chat") as chat:
        chat.wait_for_output("connected")
        chat.type_line("deploy v1.4.0 to production")
        code = chat.wait_for_output("why").partition("/approve ")[2].split()[0]
        server.kill()
        with folder.running_server(port=server.port):
            chat.type_line(f"/approve {code} go")
            said = chat.wait_for_output("production is now v1.4.0")
            assert f"{code} approved by You (terminal)" in said
            assert said.count("wants to run push_release_tag") == 0
    assert folder.run_git("rev-parse", "production^{commit}") == folder.run_git("rev-parse", "v1.4.0^{commit}")


def test_the_folder_and_its_secrets_are_for_their_owner_alone(folder):
    with folder.running_server():
        ours = folder.path / ".handrail"
        assert stat.S_IMODE(ours.stat().st_mode) == 0o700
        for secret in ("api-token", "secret-key"):
            assert stat.S_IMODE((ours / secret).stat().st_mode) == 0o600


def test_a_second_process_on_the_same_database_is_refused(folder):
    with folder.running_server() as server:
        for command in (("up", "--port", "0"), ("migrate",)):
            refused = folder.run(*command)
            assert refused.exit_code == 1
            assert "another Handrail process is using .handrail/handrail.db" in refused.err
            assert "Traceback" not in refused.err
        assert server.folder.run("threads", "list").exit_code == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order_while_somebody_follows_a_thread(folder, how):
    with folder.running_server() as server, server.folder.start("chat") as chat:
        chat.wait_for_output("connected")
        chat.type_line("what is deployed")
        chat.wait_for_output("production is")
        begun = time.monotonic()
        assert server.process.stop(how) == 0
        assert time.monotonic() - begun < PROMISED_SECONDS
        chat.wait_for_output("the server is away")


@contextmanager
def a_tool_that_hangs(folder):
    """A server whose agent waits for a repository that takes the call and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository = f"git://127.0.0.1:{silent.getsockname()[1]}/silent"
        with folder.up(DEPLOY_REPO=repository) as server, server.folder.talking("chat") as chat:
            chat.until("connected")
            chat.type("what is deployed")
            caller, _ = silent.accept()
            with caller:
                yield server


def test_a_tool_that_hangs_does_not_keep_it_from_stopping_in_time(folder):
    with a_tool_that_hangs(folder) as server:
        begun = time.monotonic()
        assert server.talking.stop() == 0
        assert time.monotonic() - begun < PROMISED_SECONDS


def test_a_second_signal_ends_it_at_once(folder):
    with a_tool_that_hangs(folder) as server:
        server.talking.process.send_signal(signal.SIGTERM)
        server.talking.until("server_stopping")
        begun = time.monotonic()
        assert server.talking.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - begun < PROMISED_SECONDS / 2


def test_a_port_that_is_taken_is_told_with_what_to_do(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = folder.run("up", "--port", str(port))
    assert refused.exit_code == 1
    assert f"port {port}" in refused.err
    assert "PORT" in refused.err
    assert "Traceback" not in refused.err


def test_a_mistake_in_the_configuration_is_told_with_its_line(folder):
    (folder.path / "handrail.toml").write_text('[people.alice]\nname = "Alice"\nrolls = ["release"]\n')
    refused = folder.run("up", "--port", "0")
    assert refused.exit_code == 1
    assert "handrail.toml:3: people.alice.rolls" in refused.err


def test_without_a_sample_the_agent_says_how_to_name_a_repository(folder):
    with folder.running_server("--no-sample") as server:
        asked = server.folder.run("chat", "--once", "deploy v1.4.0 to production")
        assert "Set DEPLOY_REPO" in asked.out
        assert not (folder.path / ".handrail" / "sample").exists()


def test_it_says_how_to_chat_with_a_server_that_is_not_where_commands_look(folder):
    with folder.running_server() as server:
        assert f"PORT={server.port} .venv/bin/handrail chat" in server.process.output


def test_people_of_the_configuration_decide_for_each_other(folder):
    (folder.path / "handrail.toml").write_text(
        '[people.alice]\nname = "Alice"\n\n[people.bob]\nname = "Bob"\nroles = ["release"]\n'
    )
    with (
        folder.running_server() as server,
        server.folder.start("chat", "--as", "alice") as alice,
        server.folder.start("chat", "--as", "bob") as bob,
    ):
        alice.wait_for_output("connected")
        bob.wait_for_output("connected")
        alice.type_line("deploy v1.4.0 to production")
        code = bob.wait_for_output("why").partition("/approve ")[2].split()[0]
        assert "asked for by Alice" in bob.output
        alice.wait_for_output("decided by release (Bob)")
        assert "/approve" not in alice.wait_for_output("in thread")
        alice.type_line(f"/approve {code}")
        alice.wait_for_output("not among those who may decide")
        bob.type_line(f"/deny {code} not on a Friday")
        bob.wait_for_output(f"{code} denied by Bob (terminal)")
        assert "not on a Friday" in alice.wait_for_output(f"{code} denied by Bob (terminal)")
