"""What the doctor finds, and what it does not touch."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from agents.addresses import Address
from agents.people import People, Person
from agents.policy import ApprovalTerms, Rule
from bot.config import Configuration
from bot.database_setup import migrate_database
from bot.doctor.agents import check_deploy_repository, check_model
from bot.doctor.approvers import check_approvers
from bot.doctor.database import check_database
from bot.doctor.machine import check_data_dir, check_git, check_machine, check_python
from bot.doctor.server import check_server
from bot.settings import Settings
from channels.terminal.client import TerminalClient
from tests.fakes.http_server import running_http_server
from tests.fakes.openai_server import FakeOpenAI


def one(findings):
    (finding,) = findings
    return finding


def settings(**variables: str) -> Settings:
    return Settings.from_variables(variables)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder we work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_this_machine_will_do(here):
    assert {finding.state for finding in check_machine()} == {"ok"}


def test_an_old_python_is_a_problem():
    assert check_python((3, 10)).state == "problem"
    assert check_python((3, 14)).state == "ok"


def test_a_git_that_is_missing_or_old_is_a_problem(tmp_path):
    assert check_git(None).state == "problem"
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.25.1\n")
    old.chmod(0o755)
    assert "too old" in check_git(str(old)).message


def test_a_folder_others_can_look_into_is_a_warning(here):
    assert "will be created" in check_data_dir().message
    (here / ".handrail").mkdir(mode=0o755)
    assert (check_data_dir().state, check_data_dir().fix) == ("warning", f"chmod 700 {here / '.handrail'}")
    (here / ".handrail").chmod(0o700)
    assert check_data_dir().state == "ok"


def test_a_folder_that_is_a_file_is_a_problem(here):
    (here / ".handrail").write_text("")
    assert check_data_dir().state == "problem"


ALICE = Person(key="alice", name="Alice", roles=("release",), addresses=(Address("terminal:alice"),))
BOB = Person(key="bob", name="Bob", roles=("release",))
ONCALL = Rule(name="policy[0]: *", tool="*", ask=ApprovalTerms(roles=("oncall",)))


def house(*people: Person, rules: tuple[Rule, ...] = (), own_requests: bool = False) -> Configuration:
    return Configuration(people=People(members=people), rules=rules, allow_self_approval=own_requests)


def test_two_people_with_the_role_can_decide_everything():
    assert one(check_approvers(house(ALICE, BOB))).state == "ok"


def test_one_person_cannot_approve_what_they_ask_for_themselves():
    findings = list(check_approvers(house(ALICE)))
    assert {finding.state for finding in findings} == {"warning"}
    assert {finding.message.split(" only ")[1].split(",")[0] for finding in findings} == {"alice can approve"}
    assert one(check_approvers(house(ALICE, own_requests=True))).state == "ok"


def test_terms_that_nobody_can_meet_are_a_problem():
    finding = one(check_approvers(house(ALICE, BOB, rules=(ONCALL,))))
    assert finding.state == "problem"
    assert "no person can approve" in finding.message


def test_a_quorum_larger_than_those_who_may_is_a_problem():
    two = Rule(name="two", tool="*", ask=ApprovalTerms(people=("alice",), quorum=2))
    assert (
        "requires 2 approvals, but only alice can approve"
        in one(check_approvers(house(ALICE, BOB, rules=(two,)))).message
    )


def test_a_rule_about_some_arguments_leaves_the_default_of_the_tool():
    production = Rule(
        name="p", tool="push_release_tag", when={"environment": "production"}, ask=ApprovalTerms(people=("alice",))
    )
    nobody = Person(key="carol", name="Carol")
    told = " ".join(finding.message for finding in check_approvers(house(nobody, rules=(production,))))
    assert "the default of push_release_tag" in told


def asked_for(found, **variables: str):
    return check_model(settings(**variables), lambda _: found)


LOCAL = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


def test_which_model_answers_is_told_without_calling_it():
    assert "offline" in check_model(settings()).message
    assert asked_for((), OPENAI_API_KEY="sk-1").message == "the default model at api.openai.com, which answers"
    assert asked_for((), **LOCAL).state == "warning"
    assert asked_for(("qwen",), **LOCAL, OPENAI_MODEL="qwen").message == "qwen at 127.0.0.1, which answers"


def test_model_that_its_server_does_not_list_is_a_warning():
    finding = asked_for(("qwen", "llama"), **LOCAL, OPENAI_MODEL="nope")
    assert (finding.state, finding.message) == ("warning", "127.0.0.1 does not list nope; it has qwen, llama")


def test_words_of_a_provider_that_refuses_are_a_problem():
    with serving_models(key="another") as url:
        finding = check_model(settings(OPENAI_BASE_URL=url, OPENAI_MODEL="test-model", OPENAI_API_KEY="wrong"))
    assert (finding.state, finding.message) == ("problem", "127.0.0.1 answered 401: Incorrect API key provided")
    assert "OPENAI_API_KEY" in (finding.fix or "")


def test_server_of_the_model_that_answers_is_fine():
    with serving_models(key="right") as url:
        finding = check_model(settings(OPENAI_BASE_URL=url, OPENAI_MODEL="test-model", OPENAI_API_KEY="right"))
    assert finding.state == "ok"


def test_server_of_the_model_that_is_away_is_a_problem():
    finding = check_model(settings(**LOCAL, OPENAI_MODEL="qwen"))
    assert (finding.state, finding.message) == ("problem", "no connection to 127.0.0.1")


@contextmanager
def serving_models(key: str) -> Iterator[str]:
    """A provider in a thread of its own, as the doctor has an event loop of its own."""
    ready, over = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with running_http_server(FakeOpenAI(key=key).handle) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(over.wait, 30)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield f"http://127.0.0.1:{ports[0]}/v1"
    finally:
        over.set()
        thread.join(30)


def test_the_repository_is_asked_and_nothing_is_made(here):
    assert "sample" in one(check_deploy_repository(settings())).message
    remote = here / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    assert one(check_deploy_repository(settings(DEPLOY_REPO=str(remote)))).message == f"{remote} answers"
    missing = one(check_deploy_repository(settings(DEPLOY_REPO=str(here / "nothing"))))
    assert missing.state == "problem"
    assert "is not a git repository" in missing.message
    assert one(check_deploy_repository(settings(DEPLOY_REPO="--upload-pack=x"))).state == "problem"
    assert [entry.name for entry in here.iterdir()] == ["remote.git"]


def test_the_database_is_told_in_whatever_form_it_is(here):
    url = f"sqlite:///{here}/h.db"
    look = settings(DATABASE_URL=url)
    assert "will be created" in one(check_database(look)).message
    migrate_database(url)
    assert one(check_database(look)).state == "ok"
    (here / "other.db").write_text("this is no database at all, whatever its name says" * 20)
    assert one(check_database(settings(DATABASE_URL=f"sqlite:///{here}/other.db"))).state == "problem"
    assert one(check_database(settings(DATABASE_URL="postgresql://localhost/x"))).state == "problem"


def answering(*answers: httpx.Response) -> TerminalClient:
    script = list(answers)
    return TerminalClient("http://127.0.0.1:1", "", transport=httpx.MockTransport(lambda _: script.pop(0)))


def ready(**problems: str) -> httpx.Response:
    checks = {name: {"ok": not problem, "problem": problem} for name, problem in problems.items()}
    return httpx.Response(503 if any(problems.values()) else 200, json={"ready": True, "checks": checks})


def test_a_server_that_is_well_and_lets_us_in():
    found = list(check_server(answering(ready(database=""), httpx.Response(200, json={"threads": []}))))
    assert [(finding.name, finding.state) for finding in found] == [("server", "ok"), ("token", "ok")]


def test_a_server_that_is_ill_or_does_not_know_us():
    refusal = httpx.Response(401, json={"error": {"code": "unauthorized", "message": "send a token"}})
    found = list(check_server(answering(ready(database="the disk is full"), refusal)))
    assert [(finding.name, finding.state) for finding in found] == [("server", "problem"), ("token", "problem")]
    assert "the disk is full" in found[0].message


def test_tools_that_exceed_their_time_are_named():
    use = {"running": 2, "waiting": 0, "hanging": 2, "exceeded": 7}
    told = ready(tools="").json() | {"tools": {"desk.slow": use, "desk.quick": use | {"exceeded": 0}}}
    found = list(check_server(answering(httpx.Response(200, json=told), httpx.Response(200, json={"threads": []}))))
    assert [(finding.name, finding.state) for finding in found] == [
        ("server", "ok"),
        ("tools", "warning"),
        ("token", "ok"),
    ]
    assert found[1].message == "desk.slow exceeded its time limit 7 times; 2 calls have not ended"


@pytest.mark.parametrize("answer", [httpx.Response(200, json=[]), httpx.Response(404, text="<html>")])
def test_something_else_on_the_port_is_told_as_such(answer):
    found = list(check_server(answering(answer, httpx.Response(404, json={}))))
    assert found[0].state == "problem"


def test_no_server_is_a_warning_only():
    found = one(check_server(TerminalClient("http://127.0.0.1:1", "")))
    assert (found.name, found.state) == ("server", "warning")
