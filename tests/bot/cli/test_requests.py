"""`handrail requests` against a running server."""

import pytest


@pytest.fixture
def card(served):
    """An open approval."""
    return served("chat", "--once", "deploy v1.4.0 to staging").lines[0]


@pytest.fixture
def question(served):
    """An open question."""
    return served("chat", "--once", "deploy to staging").lines[0]


def test_a_request_is_listed_and_shown_by_code_or_id(served, card):
    assert card["id"] in [one["id"] for one in served("requests", "list", "--status", "open", "--json").json]
    by_code = served("requests", "show", card["code"], "--json").json
    assert by_code == served("requests", "show", card["id"], "--json").json
    assert by_code["digest"] == card["digest"]
    assert card["code"] in served("requests", "list").out
    assert "v1.4.0" in served("requests", "show", card["code"].lower()).out


def test_mine_are_those_i_could_decide(served, card):
    mine = served("requests", "list", "--mine", "--json").json
    assert card["id"] in [one["id"] for one in mine]
    assert served("requests", "list", "--mine", "--as", "nobody").code == 1


def test_an_approval_is_given_once(served, card):
    approved = served("requests", "approve", card["code"], "--comment", "go", "--json")
    assert (approved.code, approved.json["status"]) == (0, "approved")
    answer = approved.json["answers"][0]
    assert (answer["by"], answer["channel"], answer["comment"]) == ("person:you", "terminal:you", "go")
    assert card["code"] not in served("requests", "list").out
    assert card["code"] in served("requests", "list", "--all").out
    again = served("requests", "approve", card["code"])
    assert again.code == 1
    assert "settled: approved by You (terminal): go" in again.err


def test_an_approval_in_a_terminal_shows_the_request_and_asks(server, served, card):
    approve = ("requests", "approve", card["code"])
    refused = server.folder.at_terminal(*approve, typed="\n", PORT=server.port)
    assert "v1.4.0" in refused.out
    assert "Approve exactly this? [y/N]" in refused.out
    assert (refused.code, "Nothing was decided" in refused.out) == (1, True)
    assert served("requests", "show", card["id"], "--json").json["status"] == "open"
    approved = server.folder.at_terminal(*approve, typed="y\n", PORT=server.port)
    assert (approved.code, f"{card['code']} approved by You" in approved.out) == (0, True)


def test_an_approval_of_something_else_is_refused_with_what_it_is_now(served, card):
    refused = served("requests", "approve", card["code"], "--digest", "seen-before", "--json")
    assert (refused.code, refused.out) == (1, "")
    assert "v1.4.0" in refused.err
    assert f"handrail requests approve {card['code']} --digest {card['digest']}" in refused.err
    assert served("requests", "approve", card["code"], "--digest", card["digest"]).code == 0


def test_a_request_is_shown_with_its_digest(served, card):
    assert f"digest {card['digest']}" in served("requests", "show", card["code"]).out


def test_a_denial_carries_its_reason(served, card):
    denied = served("requests", "deny", card["code"], "--comment", "not on a Friday")
    assert denied.code == 0
    assert f"{card['code']} denied by You (terminal)" in denied.out
    assert "not on a Friday" in denied.out


def test_a_question_is_answered(served, question):
    assert question["kind"] == "question"
    answered = served("requests", "answer", question["code"], "v1.4.0", "--json")
    assert (answered.code, answered.json["status"]) == (0, "answered")


@pytest.mark.parametrize(
    ("order", "told"),
    [(("approve",), "takes answer"), (("deny", "--comment", "no"), "takes answer")],
)
def test_a_question_takes_no_approval(served, question, order, told):
    refused = served("requests", order[0], question["code"], *order[1:])
    assert refused.code == 1
    assert told in refused.err


def test_a_request_that_is_not_there_is_told_as_such(served):
    for order in (("show", "ZZZZZ"), ("approve", "ZZZZZ"), ("answer", "ZZZZZ", "yes")):
        refused = served("requests", *order)
        assert refused.code == 1
        assert "ZZZZZ" in refused.err


def test_a_wrong_token_is_told_with_where_tokens_are(served, monkeypatch):
    monkeypatch.setenv("HANDRAIL_API_TOKEN", "not-the-token")
    refused = served("requests", "list")
    assert refused.code == 1
    assert "HANDRAIL_API_TOKEN" in refused.err
