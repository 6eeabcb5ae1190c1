"""`handrail requests` against a running server."""

import pytest


@pytest.fixture
def approval_request(run_on_server):
    """Return an open approval request."""
    return run_on_server("chat", "--once", "deploy v1.4.0 to staging").lines[0]


@pytest.fixture
def question(run_on_server):
    """Return an open question."""
    return run_on_server("chat", "--once", "deploy to staging").lines[0]


def test_request_is_listed_and_shown_by_code_or_id(run_on_server, approval_request):
    assert approval_request["id"] in [
        item["id"] for item in run_on_server("requests", "list", "--status", "open", "--json").json
    ]
    by_code = run_on_server("requests", "show", approval_request["code"], "--json").json
    assert by_code == run_on_server("requests", "show", approval_request["id"], "--json").json
    assert by_code["digest"] == approval_request["digest"]
    assert approval_request["code"] in run_on_server("requests", "list").out
    assert "v1.4.0" in run_on_server("requests", "show", approval_request["code"].lower()).out


def test_mine_lists_requests_that_the_person_can_decide(run_on_server, approval_request):
    mine = run_on_server("requests", "list", "--mine", "--json").json
    assert approval_request["id"] in [item["id"] for item in mine]
    assert run_on_server("requests", "list", "--mine", "--as", "nobody").exit_code == 1


def test_request_is_approved_once(run_on_server, approval_request):
    approved = run_on_server("requests", "approve", approval_request["code"], "--comment", "go", "--json")
    assert (approved.exit_code, approved.json["status"]) == (0, "approved")
    answer = approved.json["answers"][0]
    assert (answer["by"], answer["channel"], answer["comment"]) == ("person:you", "terminal:you", "go")
    assert approval_request["code"] not in run_on_server("requests", "list").out
    assert approval_request["code"] in run_on_server("requests", "list", "--all").out
    again = run_on_server("requests", "approve", approval_request["code"])
    assert again.exit_code == 1
    assert "settled: approved by You (terminal): go" in again.err


def test_approve_in_a_terminal_shows_the_request_and_asks(server, run_on_server, approval_request):
    approve = ("requests", "approve", approval_request["code"])
    refused = server.folder.run_in_terminal(*approve, typed="\n", PORT=server.port)
    assert "v1.4.0" in refused.out
    assert "Approve exactly this? [y/N]" in refused.out
    assert (refused.exit_code, "Nothing was decided" in refused.out) == (1, True)
    assert run_on_server("requests", "show", approval_request["id"], "--json").json["status"] == "open"
    approved = server.folder.run_in_terminal(*approve, typed="y\n", PORT=server.port)
    assert (approved.exit_code, f"{approval_request['code']} approved by You" in approved.out) == (0, True)


def test_approval_with_another_digest_shows_the_current_request(run_on_server, approval_request):
    refused = run_on_server("requests", "approve", approval_request["code"], "--digest", "seen-before", "--json")
    assert (refused.exit_code, refused.out) == (1, "")
    assert "v1.4.0" in refused.err
    assert f"handrail requests approve {approval_request['code']} --digest {approval_request['digest']}" in refused.err
    assert (
        run_on_server("requests", "approve", approval_request["code"], "--digest", approval_request["digest"]).exit_code
        == 0
    )


def test_show_prints_the_digest(run_on_server, approval_request):
    assert f"digest {approval_request['digest']}" in run_on_server("requests", "show", approval_request["code"]).out


def test_denial_has_its_reason(run_on_server, approval_request):
    denied = run_on_server("requests", "deny", approval_request["code"], "--comment", "not on a Friday")
    assert denied.exit_code == 0
    assert f"{approval_request['code']} denied by You (terminal)" in denied.out
    assert "not on a Friday" in denied.out


def test_question_is_answered(run_on_server, question):
    assert question["kind"] == "question"
    answered = run_on_server("requests", "answer", question["code"], "v1.4.0", "--json")
    assert (answered.exit_code, answered.json["status"]) == (0, "answered")


@pytest.mark.parametrize(
    "command",
    [("approve",), ("deny", "--comment", "no")],
)
def test_question_cannot_be_approved_or_denied(run_on_server, question, command):
    refused = run_on_server("requests", command[0], question["code"], *command[1:])
    assert refused.exit_code == 1
    assert "accepts answer" in refused.err


def test_unknown_request_is_an_error(run_on_server):
    for command in (("show", "ZZZZZ"), ("approve", "ZZZZZ"), ("answer", "ZZZZZ", "yes")):
        refused = run_on_server("requests", *command)
        assert refused.exit_code == 1
        assert "ZZZZZ" in refused.err


def test_error_for_a_wrong_token_names_the_setting(run_on_server, monkeypatch):
    monkeypatch.setenv("HANDRAIL_API_TOKEN", "not-the-token")
    refused = run_on_server("requests", "list")
    assert refused.exit_code == 1
    assert "HANDRAIL_API_TOKEN" in refused.err
