"""`handrail up` as a process: its files, crashes, shutdown and errors."""

import signal
import socket
import stat
import time
from contextlib import contextmanager

import pytest

from tests.harness.time_limits import promised_seconds
from tests.slow_cases import slow_after_first

MAX_SHUTDOWN_SECONDS = 10.0


def test_deployment_is_requested_approved_and_done(folder):
    with folder.running_server() as server:
        result = server.folder.run("chat", "--once", "deploy v1.4.0 to production")
        assert result.exit_code == 0
        card, thread = result.lines
        assert (card["type"], card["tool"], card["status"]) == ("request", "push_release_tag", "open")
        assert (thread["type"], thread["status"]) == ("thread", "waiting_for_human")

        approved = server.folder.run("requests", "approve", card["code"], "--comment", "go", "--json")
        assert approved.json["status"] == "approved"
        assert approved.json["answers"][0]["channel"] == "terminal:you"

        with server.folder.start("threads", "events", thread["id"], "--follow", "--json") as log:
            log.wait_for_output("ThreadFinished")
        assert server.folder.run("threads", "show", thread["id"], "--json").json["status"] == "done"
        assert folder.run_git("rev-parse", "production^{commit}") == folder.run_git("rev-parse", "v1.4.0^{commit}")


def test_chat_continues_after_the_server_is_killed_and_restarted(folder):
    with folder.running_server() as server, server.folder.start("chat") as chat:
        chat.wait_for_output("connected")
        chat.type_line("deploy v1.4.0 to production")
        code = chat.wait_for_output("REASON").partition("/approve ")[2].split()[0]
        server.kill()
        with folder.running_server(port=server.port):
            chat.type_line(f"/approve {code} go")
            output = chat.wait_for_output("production is now v1.4.0")
            assert f"{code} approved by You (terminal)" in output
            assert output.count("wants to run push_release_tag") == 0
    assert folder.run_git("rev-parse", "production^{commit}") == folder.run_git("rev-parse", "v1.4.0^{commit}")


def test_only_the_owner_can_read_the_folder_and_its_secrets(folder):
    with folder.running_server():
        data_folder = folder.path / ".handrail"
        assert stat.S_IMODE(data_folder.stat().st_mode) == 0o700
        for secret in ("api-token", "secret-key"):
            assert stat.S_IMODE((data_folder / secret).stat().st_mode) == 0o600


def test_second_process_on_the_same_database_is_refused(folder):
    with folder.running_server() as server:
        for command in (("up", "--port", "0"), ("migrate",)):
            refused = folder.run(*command)
            assert refused.exit_code == 1
            assert "another Handrail process is using .handrail/handrail.db" in refused.err
            assert "Traceback" not in refused.err
        assert server.folder.run("threads", "list").exit_code == 0


@pytest.mark.parametrize("stop_signal", slow_after_first([signal.SIGINT, signal.SIGTERM]))
def test_signal_stops_the_server_in_time_while_a_thread_is_followed(folder, stop_signal):
    with folder.running_server() as server, server.folder.start("chat") as chat:
        chat.wait_for_output("connected")
        chat.type_line("what is deployed")
        chat.wait_for_output("production is")
        stop_started = time.monotonic()
        assert server.process.stop(stop_signal) == 0
        assert time.monotonic() - stop_started < promised_seconds(MAX_SHUTDOWN_SECONDS)
        chat.wait_for_output("connection lost")


@contextmanager
def server_with_a_hanging_tool(folder):
    """Start a server whose agent waits for a repository that accepts the connection but never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository = f"git://127.0.0.1:{silent.getsockname()[1]}/silent"
        with folder.running_server(DEPLOY_REPO=repository) as server, server.folder.start("chat") as chat:
            chat.wait_for_output("connected")
            chat.type_line("what is deployed")
            caller, _ = silent.accept()
            with caller:
                yield server


def test_hanging_tool_does_not_delay_the_shutdown(folder):
    with server_with_a_hanging_tool(folder) as server:
        stop_started = time.monotonic()
        assert server.process.stop() == 0
        assert time.monotonic() - stop_started < promised_seconds(MAX_SHUTDOWN_SECONDS)


def test_second_signal_ends_the_server_at_once(folder):
    with server_with_a_hanging_tool(folder) as server:
        server.process.process.send_signal(signal.SIGTERM)
        server.process.wait_for_output("server_stopping")
        stop_started = time.monotonic()
        assert server.process.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - stop_started < promised_seconds(MAX_SHUTDOWN_SECONDS / 2)


def test_taken_port_is_an_error_with_a_fix(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = folder.run("up", "--port", str(port))
    assert refused.exit_code == 1
    assert f"port {port}" in refused.err
    assert "PORT" in refused.err
    assert "Traceback" not in refused.err


def test_mistake_in_the_configuration_is_reported_with_its_line(folder):
    (folder.path / "handrail.toml").write_text('[people.alice]\nname = "Alice"\nrolls = ["release"]\n')
    refused = folder.run("up", "--port", "0")
    assert refused.exit_code == 1
    assert "handrail.toml:3: people.alice.rolls" in refused.err


def test_agent_without_a_repository_says_how_to_set_one(folder):
    with folder.running_server("--no-sample") as server:
        result = server.folder.run("chat", "--once", "deploy v1.4.0 to production")
        assert "Set DEPLOY_REPO" in result.out
        assert not (folder.path / ".handrail" / "sample").exists()


def test_chat_instruction_includes_a_port_other_than_the_default(folder):
    with folder.running_server() as server:
        assert f"PORT={server.port} .venv/bin/handrail chat" in server.process.output


def test_one_person_decides_the_request_of_another(folder):
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
        code = bob.wait_for_output("REASON").partition("/approve ")[2].split()[0]
        assert "asked for by Alice" in bob.output
        alice.wait_for_output("can be decided by release (Bob)")
        assert "/approve" not in alice.wait_for_output("in thread")
        alice.type_line(f"/approve {code}")
        alice.wait_for_output("not allowed to decide this request")
        bob.type_line(f"/deny {code} not on a Friday")
        bob.wait_for_output(f"{code} denied by Bob (terminal)")
        assert "not on a Friday" in alice.wait_for_output(f"{code} denied by Bob (terminal)")
