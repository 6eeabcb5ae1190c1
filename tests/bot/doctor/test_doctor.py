"""Tests of the doctor's checks of the machine, configuration, model, database and server."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from agents.core.config_issues import ConfigIssue
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, Rule
from agents.loading.sources import LoadedAgent
from agents.registry import AgentRegistry, load_registry
from bot.config.database import migrate_database
from bot.config.loader import Configuration
from bot.config.settings import Settings
from bot.doctor.agents import check_deploy_repository, check_model, check_registry
from bot.doctor.database import check_database
from bot.doctor.system import check_approvers, check_data_dir, check_git, check_machine, check_python, check_server
from channels.terminal.client import TerminalClient
from tests.fakes.http_server import running_http_server
from tests.fakes.openai_server import FakeOpenAI
from tests.harness.people import PEOPLE

TOOLS = load_registry().tools
NAMES = ("deploy",)


def only_finding(findings):
    (finding,) = findings
    return finding


def build_settings(**variables: str) -> Settings:
    return Settings.from_variables(variables)


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_this_machine_is_ok(working_directory):
    assert {finding.state for finding in check_machine()} == {"ok"}


def test_old_python_is_a_problem():
    assert check_python((3, 10)).state == "problem"
    assert check_python((3, 14)).state == "ok"


def test_missing_or_old_git_is_a_problem(tmp_path):
    assert check_git(None).state == "problem"
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.25.1\n")
    old.chmod(0o755)
    assert "too old" in check_git(str(old)).message


def test_data_folder_readable_by_others_is_a_warning(working_directory):
    assert "will be created" in check_data_dir().message
    (working_directory / ".handrail").mkdir(mode=0o755)
    assert (check_data_dir().state, check_data_dir().fix) == ("warning", f"chmod 700 {working_directory / '.handrail'}")
    (working_directory / ".handrail").chmod(0o700)
    assert check_data_dir().state == "ok"


def test_data_folder_that_is_a_file_is_a_problem(working_directory):
    (working_directory / ".handrail").write_text("")
    assert check_data_dir().state == "problem"


DEVELOPER, APPROVER, OTHER_APPROVER = PEOPLE.members
ONCALL_RULE = Rule(name="policy[0]: *", tool="*", ask=ApprovalTerms(roles=("oncall",)))


def build_configuration(
    *people: Person, rules: tuple[Rule, ...] = (), allow_self_approval: bool = False
) -> Configuration:
    return Configuration(people=People(members=people), rules=rules, allow_self_approval=allow_self_approval)


def test_two_approvers_are_sufficient():
    assert only_finding(check_approvers(build_configuration(APPROVER, OTHER_APPROVER), TOOLS)).state == "ok"


def test_single_approver_without_self_approval_is_a_warning():
    findings = list(check_approvers(build_configuration(APPROVER), TOOLS))
    assert {finding.state for finding in findings} == {"warning"}
    assert {finding.message.split(" only ")[1].split(",")[0] for finding in findings} == {"bob can approve"}
    assert only_finding(check_approvers(build_configuration(APPROVER, allow_self_approval=True), TOOLS)).state == "ok"


def test_terms_without_approvers_are_a_problem():
    finding = only_finding(check_approvers(build_configuration(APPROVER, OTHER_APPROVER, rules=(ONCALL_RULE,)), TOOLS))
    assert finding.state == "problem"
    assert "no person can approve" in finding.message
    assert "add people to it" in (finding.fix or "")


def test_quorum_above_number_of_approvers_is_a_problem():
    rule = Rule(name="two", tool="*", ask=ApprovalTerms(people=("bob",), quorum=2))
    finding = only_finding(check_approvers(build_configuration(APPROVER, OTHER_APPROVER, rules=(rule,)), TOOLS))
    assert "requires 2 approvals, but only bob can approve" in finding.message


def test_conditional_rule_leaves_the_default_of_the_tool():
    production = Rule(
        name="p", tool="push_release_tag", when={"environment": "production"}, ask=ApprovalTerms(people=("alice",))
    )
    findings = check_approvers(build_configuration(DEVELOPER, rules=(production,)), TOOLS)
    fixes = {finding.message.partition(": ")[0]: finding.fix or "" for finding in findings}
    assert "write a rule for the tool" in fixes["the default approval terms of push_release_tag"]


def test_mistakes_of_built_in_agents_prevent_the_start():
    issue = ConfigIssue(file="a.py", key="agent a", message="has no tools")
    built_in, other = LoadedAgent("a.py", issues=(issue,)), LoadedAgent("b.py", issues=(issue,), source="./agents")
    _, *problems = check_registry(AgentRegistry((), (built_in, other)))
    assert [problem.message for problem in problems] == [f"prevents the start: {issue}", f"left out: {issue}"]


def check_with_models(names, **variables: str):
    return check_model(build_settings(**variables), lambda _: names)


LOCAL_MODEL = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


def test_model_is_reported_without_calling_it():
    assert "understand only their commands" in check_model(build_settings()).message
    assert check_with_models((), OPENAI_API_KEY="sk-1").message == "the default model at api.openai.com, which answers"
    assert check_with_models((), **LOCAL_MODEL).state == "warning"
    assert (
        check_with_models(("qwen",), **LOCAL_MODEL, OPENAI_MODEL="qwen").message == "qwen at 127.0.0.1, which answers"
    )


def test_unlisted_model_is_a_warning():
    finding = check_with_models(("qwen", "llama"), **LOCAL_MODEL, OPENAI_MODEL="nope")
    assert (finding.state, finding.message) == ("warning", "127.0.0.1 does not list nope; it has qwen, llama")


def test_error_of_the_provider_is_a_problem():
    with running_model_server(key="another") as url:
        finding = check_model(build_settings(OPENAI_BASE_URL=url, OPENAI_MODEL="test-model", OPENAI_API_KEY="wrong"))
    assert (finding.state, finding.message) == ("problem", "127.0.0.1 answered 401: Incorrect API key provided")
    assert "OPENAI_API_KEY" in (finding.fix or "")


def test_answering_model_server_is_ok():
    with running_model_server(key="right") as url:
        finding = check_model(build_settings(OPENAI_BASE_URL=url, OPENAI_MODEL="test-model", OPENAI_API_KEY="right"))
    assert finding.state == "ok"


def test_unreachable_model_server_is_a_problem():
    finding = check_model(build_settings(**LOCAL_MODEL, OPENAI_MODEL="qwen"))
    assert (finding.state, finding.message) == ("problem", "no connection to 127.0.0.1")


@contextmanager
def running_model_server(key: str) -> Iterator[str]:
    """Run a model server in an OS thread, because the doctor has an event loop of its own."""
    is_serving, may_stop = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with running_http_server(FakeOpenAI(key=key).handle) as port:
            ports.append(port)
            is_serving.set()
            await asyncio.to_thread(may_stop.wait, 30)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert is_serving.wait(30)
    try:
        yield f"http://127.0.0.1:{ports[0]}/v1"
    finally:
        may_stop.set()
        thread.join(30)


def test_repository_is_queried_and_nothing_is_created(working_directory):
    assert "sample" in only_finding(check_deploy_repository(build_settings())).message
    remote = working_directory / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    assert only_finding(check_deploy_repository(build_settings(DEPLOY_REPO=str(remote)))).message == f"{remote} answers"
    missing = only_finding(check_deploy_repository(build_settings(DEPLOY_REPO=str(working_directory / "nothing"))))
    assert missing.state == "problem"
    assert "is not a git repository" in missing.message
    assert only_finding(check_deploy_repository(build_settings(DEPLOY_REPO="--upload-pack=x"))).state == "problem"
    assert [entry.name for entry in working_directory.iterdir()] == ["remote.git"]


def test_database_states_are_reported(working_directory):
    url = f"sqlite:///{working_directory}/h.db"
    sqlite_settings = build_settings(DATABASE_URL=url)
    assert "will be created" in only_finding(check_database(sqlite_settings, NAMES)).message
    migrate_database(url)
    assert only_finding(check_database(sqlite_settings, NAMES)).state == "ok"
    (working_directory / "other.db").write_text("this is no database at all, whatever its name says" * 20)
    for url in (f"sqlite:///{working_directory}/other.db", "postgresql://localhost/x"):
        assert only_finding(check_database(build_settings(DATABASE_URL=url), NAMES)).state == "problem"


def make_client(*responses: httpx2.Response) -> TerminalClient:
    """Return a client that gets these responses, one after the other."""
    script = list(responses)
    return TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(lambda _: script.pop(0)))


def make_readiness_response(**problems: str) -> httpx2.Response:
    checks = {name: {"ok": not problem, "problem": problem} for name, problem in problems.items()}
    return httpx2.Response(503 if any(problems.values()) else 200, json={"ready": True, "checks": checks})


def test_ready_server_with_valid_token_is_ok():
    findings = list(
        check_server(make_client(make_readiness_response(database=""), httpx2.Response(200, json={"threads": []})))
    )
    assert [(finding.name, finding.state) for finding in findings] == [("server", "ok"), ("token", "ok")]


def test_unready_server_and_invalid_token_are_problems():
    refusal = httpx2.Response(401, json={"error": {"code": "unauthorized", "message": "send a token"}})
    findings = list(check_server(make_client(make_readiness_response(database="the disk is full"), refusal)))
    assert [(finding.name, finding.state) for finding in findings] == [("server", "problem"), ("token", "problem")]
    assert "the disk is full" in findings[0].message


def test_tools_that_exceed_their_time_limit_are_named():
    usage = {"running": 2, "waiting": 0, "hanging": 2, "exceeded": 7}
    body = make_readiness_response(tools="").json() | {
        "tools": {"desk.slow": usage, "desk.quick": usage | {"exceeded": 0}}
    }
    findings = list(
        check_server(make_client(httpx2.Response(200, json=body), httpx2.Response(200, json={"threads": []})))
    )
    assert [(finding.name, finding.state) for finding in findings] == [
        ("server", "ok"),
        ("tools", "warning"),
        ("token", "ok"),
    ]
    assert findings[1].message == "desk.slow exceeded its time limit 7 times; 2 calls have not ended"


@pytest.mark.parametrize("response", [httpx2.Response(200, json=[]), httpx2.Response(404, text="<html>")])
def test_other_server_on_the_port_is_a_problem(response):
    findings = list(check_server(make_client(response, httpx2.Response(404, json={}))))
    assert findings[0].state == "problem"


def test_missing_server_is_only_a_warning():
    finding = only_finding(check_server(TerminalClient("http://127.0.0.1:1", "")))
    assert (finding.name, finding.state) == ("server", "warning")
