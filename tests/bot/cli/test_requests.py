"""`handrail requests` against a running server."""

import pytest


@pytest.fixture
def card(run_on_server):
    """An open approval."""
    return run_on_server("chat", "--once", "deploy v1.4.0 to staging").lines[0]


@pytest.fixture
def question(run_on_server):
    """An open question."""
    return run_on_server("chat", "--once", "deploy to staging").lines[0]


def test_a_request_is_listed_and_shown_by_code_or_id(run_on_server, card):
    assert card["id"] in [one["id"] for one in run_on_server("requests", "list", "--status", "open", "--json").json]
    by_code = run_on_server("requests", "show", card["code"], "--json").json
    assert by_code == run_on_server("requests", "show", card["id"], "--json").json
    assert by_code["digest"] == card["digest"]
    assert card["code"] in run_on_server("requests", "list").out
    assert "v1.4.0" in run_on_server("requests", "show", card["code"].lower()).out


def test_mine_are_those_i_could_decide(run_on_server, card):
    mine = run_on_server("requests", "list", "--mine", "--json").json
    assert card["id"] in [one["id"] for one in mine]
    assert run_on_server("requests", "list", "--mine", "--as", "nobody").exit_code == 1


def test_an_approval_is_given_once(run_on_server, card):
    approved = run_on_server("requests", "approve", card["code"], "--comment", "go", "--json")
    assert (approved.exit_code, approved.json["status"]) == (0, "approved")
    answer = approved.json["answers"][0]
    assert (answer["by"], answer["channel"], answer["comment"]) == ("person:you", "terminal:you", "go")
    assert card["code"] not in run_on_server("requests", "list").out
    assert card["code"] in run_on_server("requests", "list", "--all").out
    again = run_on_server("requests", "approve", card["code"])
    assert again.exit_code == 1
    assert "settled: approved by You (terminal): go" in again.err


def test_an_approval_in_a_terminal_shows_the_request_and_asks(server, run_on_server, card):
    approve = ("requests", "approve", card["code"])
    refused = server.folder.run_in_terminal(*approve, typed="\n", PORT=server.port)
    assert "v1.4.0" in refused.out
    assert "Approve exactly this? [y/N]" in refused.out
    assert (refused.exit_code, "Nothing was decided" in refused.out) == (1, True)
    assert run_on_server("requests", "show", card["id"], "--json").json["status"] == "open"
    approved = server.folder.run_in_terminal(*approve, typed="y\n", PORT=server.port)
    assert (approved.exit_code, f"{card['code']} approved by You" in approved.out) == (0, True)


def test_an_approval_of_something_else_is_refused_with_what_it_is_now(run_on_server, card):
    refused = run_on_server("requests", "approve", card["code"], "--digest", "seen-before", "--json")
    assert (refused.exit_code, refused.out) == (1, "")
    assert "v1.4.0" in refused.err
    assert f"handrail requests approve {card['code']} --digest {card['digest']}" in refused.err
    assert run_on_server("requests", "approve", card["code"], "--digest", card["digest"]).exit_code == 0


def test_a_request_is_shown_with_its_digest(run_on_server, card):
    assert f"digest {card['digest']}" in run_on_server("requests", "show", card["code"]).out


def test_a_denial_carries_its_reason(run_on_server, card):
    denied = run_on_server("requests", "deny", card["code"], "--comment", "not on a Friday")
    assert denied.exit_code == 0
    assert f"{card['code']} denied by You (terminal)" in denied.out
    assert "not on a Friday" in denied.out


def test_a_question_is_answered(run_on_server, question):
    assert question["kind"] == "question"
    answered = run_on_server("requests", "answer", question["code"], "v1.4.0", "--json")
    assert (answered.exit_code, answered.json["status"]) == (0, "answered")


@pytest.mark.parametrize(
    ("order", "told"),
    [(("approve",), "takes answer"), (("deny", "--comment", "no"), "takes answer")],
)
def test_a_question_takes_no_approval(run_on_server, question, order, told):
    refused = run_on_server("requests", order[0], question["code"], *order[1:])
    assert refused.exit_code == 1
    assert told in refused.err


def test_a_request_that_is_not_there_is_told_as_such(run_on_server):
    for order in (("show", "ZZZZZ"), ("approve", "ZZZZZ"), ("answer", "ZZZZZ", "yes")):
        refused = run_on_server("requests", *order)
        assert refused.exit_code == 1
        assert "ZZZZZ" in refused.err


def test_a_wrong_token_is_told_with_where_tokens_are(run_on_server, monkeypatch):
    monkeypatch.setenv("HANDRAIL_API_TOKEN", "not-the-token")
    refused = run_on_server("requests", "list")
    assert refused.exit_code == 1
    assert "HANDRAIL_API_TOKEN" in refused.err
