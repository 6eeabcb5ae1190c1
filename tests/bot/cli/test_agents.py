"""`handrail agents`: a new agent works at once, all agents are listed with their source, and mistakes are named."""

import subprocess
import sys

import pytest

BROKEN = "AGENT = 1 / 0\n"
PERSON = '[people.you]\nname = "You"\nroles = ["*"]\n'


@pytest.fixture
def write_broken_agent(tmp_path, monkeypatch):
    """Return a function that writes an agent that cannot be imported into the folder in HANDRAIL_AGENTS."""
    monkeypatch.setenv("HANDRAIL_AGENTS", "./agents")

    def write() -> str:
        file = tmp_path / "agents" / "broken" / "__init__.py"
        file.parent.mkdir(parents=True)
        file.write_text(BROKEN)
        return f"{file}:1: cannot be imported: ZeroDivisionError: division by zero"

    return write


def test_new_agent_passes_its_test_and_answers_in_a_chat(folder):
    created = folder.run("agents", "new", "oncall")
    assert created.out.splitlines()[0] == "agents/oncall/__init__.py"
    assert "1. load it: set HANDRAIL_AGENTS=./agents in .env" in created.err
    (folder.path / ".env").write_text("HANDRAIL_AGENTS=./agents\n")
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "agents/oncall")
    tested = subprocess.run(
        command, cwd=folder.path, env=folder._variables({}), capture_output=True, text=True, check=False, timeout=60
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    with folder.running_server() as server:
        reply, thread = server.folder.run("chat", "--agent", "oncall", "--once", "find lunch").lines
    assert reply["text"].startswith("The canteen serves lunch")
    assert (thread["agent"], thread["status"]) == ("oncall", "done")


def test_agents_are_listed_with_source_tools_and_commands(handrail, monkeypatch):
    handrail("agents", "new", "oncall", "--in", "team")
    assert [agent["name"] for agent in handrail("agents", "list", "--json").json] == ["deploy"]
    monkeypatch.setenv("HANDRAIL_AGENTS", "./team")
    deploy, oncall = handrail("agents", "list", "--json").json
    assert (deploy["source"], deploy["state"], len(deploy["tools"])) == ("built-in", "loaded", 5)
    assert (oncall["source"], oncall["tools"], oncall["commands"]) == ("./team", ["find_oncall_note"], 1)
    assert "Finds notes by topic." in handrail("agents", "list").out
    assert "load it" not in handrail("agents", "new", "notes").err
    assert [agent["name"] for agent in handrail("agents", "list", "--json").json] == ["deploy", "notes", "oncall"]


@pytest.mark.parametrize("name", ["On-Call", "1st", "class", "", "a" * 41, "../escape"])
def test_invalid_name_of_a_new_agent_is_wrong_usage(handrail, tmp_path, name):
    assert handrail("agents", "new", name).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_new_agent_overwrites_nothing(handrail, tmp_path):
    (tmp_path / "agents" / "oncall").mkdir(parents=True)
    existing = handrail("agents", "new", "oncall")
    assert (existing.exit_code, "already exists" in existing.err) == (1, True)
    taken = handrail("agents", "new", "deploy")
    assert (taken.exit_code, "there is already an agent deploy" in taken.err) == (1, True)
    assert list((tmp_path / "agents").rglob("*.py")) == []


def test_broken_agent_is_reported_by_every_check(handrail, write_broken_agent):
    mistake = write_broken_agent()
    for command in (("agents", "check"), ("config", "check")):
        checked = handrail(*command)
        assert (checked.exit_code, mistake in checked.err) == (1, True), command
    (left_out,) = [agent for agent in handrail("agents", "list", "--json").json if agent["state"] == "left_out"]
    assert (left_out["name"], left_out["issues"][0]["line"]) == ("broken", 1)
    listed = handrail("agents", "list")
    assert (listed.exit_code, mistake in listed.out) == (0, True)
    problems = [finding for finding in handrail("doctor", "--json").json if finding["state"] == "problem"]
    assert [problem["told"] for problem in problems] == [f"left out: {mistake}"]


def test_broken_agent_is_left_out_at_the_start_with_a_warning(folder, write_broken_agent):
    write_broken_agent()
    (folder.path / "handrail.toml").write_text(PERSON + "[agents.broken.budget]\nsteps = 5\n")
    with folder.running_server(HANDRAIL_AGENTS="./agents") as server:
        assert '"agent_left_out", "agent": "broken"' in server.process.output
        assert "division by zero" not in server.process.output
        assert server.folder.run("chat", "--once", "list tags").lines[-1]["agent"] == "deploy"


def test_mistakes_in_commands_are_named_with_file_and_line(handrail, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDRAIL_AGENTS", "./agents")
    handrail("agents", "new", "oncall")
    file = tmp_path / "agents" / "oncall" / "commands.toml"
    file.write_text(file.read_text().replace('topic = "{topic}"', 'topc = "{topic}"'))
    checked = handrail("config", "check")
    assert checked.exit_code == 1
    assert f"{file}:6: commands[0].step.topc: find_oncall_note has no argument topc; it has: topic" in checked.err
    assert f"{file}:6: commands[0].step: find_oncall_note needs the argument topic; add topic = …" in checked.err
