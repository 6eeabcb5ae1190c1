import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import Invalid
from channels.slack.facts import (
    Challenge,
    Checked,
    Clicked,
    Commanded,
    Deleted,
    Edited,
    File,
    Ignored,
    Opened,
    Place,
    Pointed,
    Said,
    Stopped,
    Submitted,
    known_as,
)
from channels.slack.inbound import from_events, from_socket, understand
from tests.channels.slack.sent import FORM, JSON, NAMES, US, arrived, payload, understood

THREAD = Place("T0HOME", "C0OPS", "1763726400.000100")


def test_a_mention_is_said_to_us_without_our_name() -> None:
    assert understood("mention") == Said(
        how="mention",
        place=THREAD,
        ts="1763726400.000100",
        by="slack:T0HOME/U0ALICE",
        text="deploy backend v1.4.1 & tell me",
        files=(),
        at=datetime(2025, 11, 21, 12, tzinfo=UTC),
        keys=(
            "event:T0HOME:Ev0M1",
            "message:T0HOME:C0OPS:1763726400.000100",
            "client:T0HOME:C0OPS:U0ALICE:3f1c5a0e-8b1e-4a61-9d0f-0c6f3a1f7d10",
        ),
    )


def test_a_mention_that_comes_twice_has_names_in_common() -> None:
    first, second = understood("mention"), understood("mention_as_message")
    assert isinstance(first, Said)
    assert isinstance(second, Said)
    assert second.how == "mention"
    assert set(first.keys[1:]) == set(second.keys[1:])
    assert first.keys[0] != second.keys[0]


def test_a_reply_belongs_to_the_thread_it_is_in() -> None:
    fact = understood("thread_reply")
    assert isinstance(fact, Said)
    assert (fact.how, fact.place, fact.text) == ("reply", THREAD, "wait, @U0ALICE is on a train")
    assert fact.place.address == "slack:C0OPS:1763726400.000100"


def test_a_direct_message_begins_a_thread() -> None:
    fact = understood("direct_message")
    assert isinstance(fact, Said)
    assert (fact.how, fact.place) == ("direct", Place("T0HOME", "D0ALICE", "1763726500.000300"))


def test_an_empty_thread_is_no_thread() -> None:
    sent = payload("direct_message")
    sent["event"]["thread_ts"] = ""
    fact = from_events(sent, US)
    assert isinstance(fact, Said)
    assert fact.place.root == "1763726500.000300"


def test_files_are_told_by_their_names() -> None:
    fact = understood("file_share")
    assert isinstance(fact, Said)
    assert fact.files == (File("F0LOG", "out.log", "text/plain"),)


def test_a_pasted_table_is_read() -> None:
    fact = understood("pasted_table")
    assert isinstance(fact, Said)
    assert fact.text == "these two\nhost | state\ndb-7 | down"


def test_a_guest_in_a_shared_channel_keeps_their_own_team() -> None:
    fact = understood("shared_channel_mention")
    assert isinstance(fact, Said)
    assert (fact.by, fact.place.team) == ("slack:T0OTHER/U0GUEST", "T0HOME")
    assert known_as(fact.by, "T0HOME") == ("slack:T0OTHER/U0GUEST",)


def test_somebody_of_the_home_team_may_be_configured_without_it() -> None:
    fact = understood("mention")
    assert isinstance(fact, Said)
    assert known_as(fact.by, "T0HOME") == ("slack:T0HOME/U0ALICE", "slack:U0ALICE")


def test_an_edit_tells_the_words_before_and_after() -> None:
    fact = understood("edit")
    assert isinstance(fact, Edited)
    assert (fact.before, fact.text) == ("deploy backend v1.4.1", "deploy backend v1.4.2")
    assert fact.place == THREAD
    assert fact.keys == ("event:T0HOME:Ev0E1", "edit:T0HOME:C0OPS:1763726400.000100:1763726430.000000")


@pytest.mark.parametrize("name", ["unfurl", "language_detected"])
def test_an_unfurl_is_no_edit_and_neither_is_a_recognised_language(name: str) -> None:
    assert understood(name) == Ignored("a message changed, but not its words")


@pytest.mark.parametrize("known", [("user",), ("bot_id",), ("app_id",)])
def test_what_we_said_is_ours_by_any_of_our_names(known: tuple[str, ...]) -> None:
    sent = payload("own_message")
    for name in {"user", "bot_id", "app_id", "bot_profile"}.difference(known):
        del sent["event"][name]
    sent["event"].setdefault("user", "U0ALICE")
    sent["event"]["text"] = "<@U0RAIL> again"
    assert from_events(sent, US) == Ignored("we said it ourselves")


def test_a_person_is_heard_though_no_app_is_named_anywhere() -> None:
    sent = payload("mention")
    del sent["api_app_id"]
    assert from_events(sent, US) == understood("mention")


def test_a_deleted_message_is_told() -> None:
    fact = understood("deleted")
    assert isinstance(fact, Deleted)
    assert (fact.place, fact.ts, fact.by) == (THREAD, "1763726400.000100", "slack:T0HOME/U0ALICE")
    assert "delete:T0HOME:C0OPS:1763726400.000100" in fact.keys


def test_a_message_with_replies_is_deleted_as_any_other() -> None:
    fact, other = understood("deleted_with_replies"), understood("deleted")
    assert isinstance(fact, Deleted)
    assert isinstance(other, Deleted)
    assert (fact.place, fact.ts, fact.by, fact.keys[1:]) == (other.place, other.ts, other.by, other.keys[1:])


def test_a_stone_that_is_taken_away_is_nothing_to_us() -> None:
    sent = payload("deleted")
    sent["event"]["previous_message"] = payload("deleted_with_replies")["event"]["message"]
    assert from_events(sent, US) == Ignored("Slack itself said it")


def test_a_deleted_message_of_which_nothing_is_left_is_told() -> None:
    sent = payload("deleted")
    del sent["event"]["previous_message"]
    fact = from_events(sent, US)
    assert isinstance(fact, Deleted)
    assert fact.by is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("own_message", "we said it ourselves"),
        ("own_card_changed", "we said it ourselves"),
        ("other_bot", "an event of another kind: message bot_message"),
        ("other_bot_as_user", "another bot said it"),
        ("slackbot", "Slack itself said it"),
        ("said_to_nobody", "said in a channel, and not to us"),
        ("channel_join", "an event of another kind: message channel_join"),
        ("reaction", "an event of another kind: reaction_added"),
        ("rate_limited", "Slack sends us fewer events for a minute: too many happened"),
        ("click_on_link", "a button that only shows something"),
        ("click_at_home", "an interaction of another kind: 'block_actions'"),
        ("shortcut_of_another", "an interaction of another kind: 'message_action'"),
        ("other_modal", "an interaction of another kind: 'view_submission'"),
    ],
)
def test_what_does_not_concern_us_is_ignored(name: str, reason: str) -> None:
    assert understood(name) == Ignored(reason)


def test_the_stop_button_of_slack_stops_a_thread() -> None:
    fact = understood("session_stopped")
    assert isinstance(fact, Stopped)
    assert (fact.place, fact.by) == (THREAD, "slack:T0HOME/U0ALICE")
    assert len(fact.keys) == 2


def test_who_opens_our_page_is_told() -> None:
    fact = understood("home_opened")
    assert isinstance(fact, Opened)
    assert (fact.channel, fact.tab, fact.by) == ("D0ALICE", "messages", "slack:T0HOME/U0ALICE")


@pytest.mark.parametrize("given", [{}, {"tab": "home", "view": {"type": "home", "blocks": []}}])
def test_who_opens_our_home_tab_is_told(given: dict[str, Any]) -> None:
    sent = payload("home_opened")
    del sent["event"]["tab"]
    sent["event"] |= given
    fact = from_events(sent, US)
    assert isinstance(fact, Opened)
    assert fact.tab == "home"


def test_our_shortcut_tells_the_message_it_was_used_on() -> None:
    assert understood("shortcut") == Pointed(
        place=THREAD,
        ts="1763726420.000200",
        by="slack:T0HOME/U0BOB",
        text="is build 1 (https://ci.example/1) red & why?",
        author="slack:T0HOME/U0ALICE",
        trigger_id="9000000000007.9000000000008.ccccdddd",
        response_url="https://hooks.slack.com/app/T0HOME/9000000000009/JkLmNo",
        at=datetime(2025, 11, 21, 12, 1, 30, tzinfo=UTC),
        keys=("shortcut:T0HOME:" + sha256(b"9000000000007.9000000000008.ccccdddd").hexdigest()[:32],),
        written_by="slack:T0HOME/U0ALICE",
    )


def test_our_shortcut_works_on_what_a_bot_said() -> None:
    fact = understood("shortcut_on_bot")
    assert isinstance(fact, Pointed)
    assert (fact.author, fact.text) == (None, "build 1 failed")
    assert fact.place == Place("T0HOME", "C0DEV", "1763726420.000200")


@pytest.mark.parametrize("name", ["user_team", "source_team", "team"])
def test_our_shortcut_tells_the_home_of_a_guest(name: str) -> None:
    sent = payload("shortcut")
    del sent["message"]["team"]
    sent["message"][name] = "T0OTHER"
    fact = understand(*arrived("shortcut", sent), US)
    assert isinstance(fact, Pointed)
    assert (fact.author, fact.place.team) == ("slack:T0OTHER/U0ALICE", "T0HOME")


def test_our_shortcut_used_twice_is_two_facts() -> None:
    sent = payload("shortcut")
    sent["trigger_id"] = "9000000000007.9000000000008.eeeeffff"
    again, first = understand(*arrived("shortcut", sent), US), understood("shortcut")
    assert isinstance(first, Pointed)
    assert isinstance(again, Pointed)
    assert set(first.keys).isdisjoint(again.keys)


def test_a_click_tells_the_card_and_who_pressed() -> None:
    fact = understood("click")
    assert isinstance(fact, Clicked)
    assert (fact.action, fact.choice, fact.reference) == ("handrail.approve", None, "v1.req_1.seal")
    assert (fact.place, fact.message, fact.by) == (THREAD, "1763726450.000100", "slack:T0HOME/U0ALICE")
    assert fact.keys == ("click:T0HOME:C0OPS:1763726450.000100:U0ALICE:handrail.approve:1763726461.123456",)
    assert fact.trigger_id.startswith("9000000000001")
    assert fact.response_url == "https://hooks.slack.com/actions/T0HOME/9000000000003/AbCdEf"


def test_a_click_on_what_only_one_person_sees_is_told_without_its_message() -> None:
    fact = understood("click_on_ephemeral")
    assert isinstance(fact, Clicked)
    assert fact.place.root == fact.message == "1763726450.000100"


@pytest.mark.parametrize(
    ("name", "choice", "reference"), [("choice", 6, "v1.req_2.seal"), ("choice_by_button", 2, "v1.req_1.seal")]
)
def test_a_choice_is_told_by_its_number(name: str, choice: int, reference: str) -> None:
    fact = understood(name)
    assert isinstance(fact, Clicked)
    assert (fact.action, fact.choice, fact.reference) == ("handrail.choose", choice, reference)


def test_a_modal_tells_the_card_it_was_opened_from() -> None:
    fact = understood("modal")
    assert isinstance(fact, Submitted)
    assert (fact.modal, fact.reference, fact.place) == ("handrail.deny", "v1.req_1.seal", THREAD)
    assert fact.values == {"reason": "not on a Friday", "list": "1", "empty": None}


def test_a_modal_sent_again_with_other_values_is_another_one() -> None:
    sent = payload("modal")
    sent["view"]["state"]["values"]["reason"]["text"]["value"] = "not on a Monday"
    first, second = understood("modal"), understand(*arrived("modal", sent), US)
    assert isinstance(first, Submitted)
    assert isinstance(second, Submitted)
    assert first.keys != second.keys


def test_a_slash_command_is_told() -> None:
    fact = understood("command")
    assert isinstance(fact, Commanded)
    assert (fact.command, fact.text, fact.channel) == ("/handrail", "status", "C0OPS")


def test_slack_hears_its_challenge_back() -> None:
    assert understood("url_verification") == Challenge("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")


def test_a_check_of_the_certificate_is_known() -> None:
    assert understand(b"ssl_check=1&token=x", FORM, US) == Checked()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("events_api", "mention"), ("interactive", "click"), ("interactive", "shortcut"), ("slash_commands", "command")],
)
def test_a_socket_brings_the_same_as_http(kind: str, name: str) -> None:
    assert from_socket(kind, payload(name), US) == understood(name)


@pytest.mark.parametrize("text", ["\ud800", float("nan")])
def test_a_socket_takes_for_json_what_http_takes(text: Any) -> None:
    sent = payload("mention")
    sent["event"]["text"] = text
    with pytest.raises(Invalid, match="not JSON"):
        from_socket("events_api", sent, US)


@pytest.mark.parametrize("kind", ["events_api", "interactive", "slash_commands"])
@pytest.mark.parametrize("sent", [None, [], "x", {}])
def test_a_socket_that_brings_nothing_is_not_understood(kind: str, sent: Any) -> None:
    with pytest.raises(Invalid):
        from_socket(kind, sent, US)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"NaN", b"{}", b'{"type": 1}', b"[" * 100_000,
        b'{"type":"event_callback"}', b'{"type":"url_verification"}', b'{"type":"url_verification","challenge":["x"]}',
        b'{"type":"event_callback","team_id":"T1","event_id":"E","event":[]}', b'{"type":"\\ud800"}', b" " * 2_000_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("content_type", [JSON, "", "text/plain"])
def test_what_is_no_object_with_a_type_is_not_understood(body: bytes, content_type: str) -> None:
    with pytest.raises(Invalid):
        understand(body, content_type, US)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=[]", b"payload=%ff", b"\xff", b"payload={}", b"a=1&" * 200, b"command=/x", b"%"],
)
def test_a_form_that_is_none_of_slacks_is_not_understood(body: bytes) -> None:
    with pytest.raises(Invalid):
        understand(body, FORM, US)


@given(st.binary(), st.sampled_from([JSON, FORM, ""]))
def test_any_bytes_are_understood_or_not_and_nothing_breaks(body: bytes, content_type: str) -> None:
    with suppress(Invalid):
        understand(body, content_type, US)


def test_a_message_whose_shape_broke_is_named_by_its_place_and_not_by_its_content() -> None:
    sent = payload("mention")
    sent["event"]["user"] = "a secret"
    with pytest.raises(Invalid, match="user") as caught:
        from_events(sent, US)
    assert "secret" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from(["", "message", "message_changed", "9999999999.9", "9" * 50, "\x00", "im", "rich_text", "table"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a payload where something stands."""
    if not isinstance(value, dict | list):
        return []
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    return [spot for key in list(keys) for spot in ((value, key), *spots(value[key]))]


def texts(value: Any) -> list[str]:
    if isinstance(value, dict | list | tuple):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=300)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_a_real_payload_with_something_odd_in_it_breaks_nothing(name: str, data: st.DataObject) -> None:
    sent = deepcopy(payload(name))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(spots(sent)))
        if data.draw(st.booleans()):
            holder[key] = data.draw(anything)
        elif isinstance(holder, dict):
            holder.pop(key, None)
        if not spots(sent):
            break
    body, content_type = arrived(name, sent) if isinstance(sent, dict) else (json.dumps(sent).encode(), JSON)
    try:
        fact = understand(body, content_type, US)
    except Invalid:
        return
    assert not any("\x00" in text for text in texts(asdict(fact)))
    assert all(len(key) < 400 and key.isascii() and key.isprintable() for key in getattr(fact, "keys", ()))
