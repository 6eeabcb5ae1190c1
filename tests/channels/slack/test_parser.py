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

from agents.errors import InvalidInput
from channels.slack.inbound_events import (
    AppHomeOpened,
    BlockAction,
    File,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    SlashCommand,
    SslCheck,
    ThreadRef,
    UrlVerification,
    ViewSubmission,
    identity_aliases,
)
from channels.slack.parser import parse_events_api, parse_http, parse_socket_envelope
from tests.channels.slack.recorded_payloads import BOT, FORM, JSON, NAMES, encode_http, load_payload, parse_recorded

THREAD = ThreadRef("T0HOME", "C0OPS", "1763726400.000100")


def test_a_mention_is_said_to_us_without_our_name() -> None:
    assert parse_recorded("mention") == MessagePosted(
        kind="mention",
        thread_ref=THREAD,
        ts="1763726400.000100",
        by="slack:T0HOME/U0ALICE",
        text="deploy backend v1.4.1 & tell me",
        files=(),
        at=datetime(2025, 11, 21, 12, tzinfo=UTC),
        dedup_keys=(
            "event:T0HOME:Ev0M1",
            "message:T0HOME:C0OPS:1763726400.000100",
            "client:T0HOME:C0OPS:U0ALICE:3f1c5a0e-8b1e-4a61-9d0f-0c6f3a1f7d10",
        ),
    )


def test_a_mention_that_comes_twice_has_names_in_common() -> None:
    first, second = parse_recorded("mention"), parse_recorded("mention_as_message")
    assert isinstance(first, MessagePosted)
    assert isinstance(second, MessagePosted)
    assert second.kind == "mention"
    assert set(first.dedup_keys[1:]) == set(second.dedup_keys[1:])
    assert first.dedup_keys[0] != second.dedup_keys[0]


def test_a_reply_belongs_to_the_thread_it_is_in() -> None:
    fact = parse_recorded("thread_reply")
    assert isinstance(fact, MessagePosted)
    assert (fact.kind, fact.thread_ref, fact.text) == ("reply", THREAD, "wait, @U0ALICE is on a train")
    assert fact.thread_ref.address == "slack:C0OPS:1763726400.000100"


def test_a_direct_message_begins_a_thread() -> None:
    fact = parse_recorded("direct_message")
    assert isinstance(fact, MessagePosted)
    assert (fact.kind, fact.thread_ref) == ("direct", ThreadRef("T0HOME", "D0ALICE", "1763726500.000300"))


def test_an_empty_thread_is_no_thread() -> None:
    sent = load_payload("direct_message")
    sent["event"]["thread_ts"] = ""
    fact = parse_events_api(sent, BOT)
    assert isinstance(fact, MessagePosted)
    assert fact.thread_ref.thread_ts == "1763726500.000300"


def test_files_are_told_by_their_names() -> None:
    fact = parse_recorded("file_share")
    assert isinstance(fact, MessagePosted)
    assert fact.files == (File("F0LOG", "out.log", "text/plain"),)


def test_a_pasted_table_is_read() -> None:
    fact = parse_recorded("pasted_table")
    assert isinstance(fact, MessagePosted)
    assert fact.text == "these two\nhost | state\ndb-7 | down"


def test_a_guest_in_a_shared_channel_keeps_their_own_team() -> None:
    fact = parse_recorded("shared_channel_mention")
    assert isinstance(fact, MessagePosted)
    assert (fact.by, fact.thread_ref.team) == ("slack:T0OTHER/U0GUEST", "T0HOME")
    assert identity_aliases(fact.by, "T0HOME") == ("slack:T0OTHER/U0GUEST",)


def test_somebody_of_the_home_team_may_be_configured_without_it() -> None:
    fact = parse_recorded("mention")
    assert isinstance(fact, MessagePosted)
    assert identity_aliases(fact.by, "T0HOME") == ("slack:T0HOME/U0ALICE", "slack:U0ALICE")


def test_an_edit_tells_the_words_before_and_after() -> None:
    fact = parse_recorded("edit")
    assert isinstance(fact, MessageChanged)
    assert (fact.previous_text, fact.text) == ("deploy backend v1.4.1", "deploy backend v1.4.2")
    assert fact.thread_ref == THREAD
    assert fact.dedup_keys == ("event:T0HOME:Ev0E1", "edit:T0HOME:C0OPS:1763726400.000100:1763726430.000000")


@pytest.mark.parametrize("name", ["unfurl", "language_detected"])
def test_an_unfurl_is_no_edit_and_neither_is_a_recognised_language(name: str) -> None:
    assert parse_recorded(name) == Ignored("a message changed, but not its words")


@pytest.mark.parametrize("known", [("user",), ("bot_id",), ("app_id",)])
def test_what_we_said_is_ours_by_any_of_our_names(known: tuple[str, ...]) -> None:
    sent = load_payload("own_message")
    for name in {"user", "bot_id", "app_id", "bot_profile"}.difference(known):
        del sent["event"][name]
    sent["event"].setdefault("user", "U0ALICE")
    sent["event"]["text"] = "<@U0RAIL> again"
    assert parse_events_api(sent, BOT) == Ignored("we said it ourselves")


def test_a_person_is_heard_though_no_app_is_named_anywhere() -> None:
    sent = load_payload("mention")
    del sent["api_app_id"]
    assert parse_events_api(sent, BOT) == parse_recorded("mention")


def test_a_deleted_message_is_told() -> None:
    fact = parse_recorded("deleted")
    assert isinstance(fact, MessageDeleted)
    assert (fact.thread_ref, fact.ts, fact.by) == (THREAD, "1763726400.000100", "slack:T0HOME/U0ALICE")
    assert "delete:T0HOME:C0OPS:1763726400.000100" in fact.dedup_keys


def test_a_message_with_replies_is_deleted_as_any_other() -> None:
    fact, other = parse_recorded("deleted_with_replies"), parse_recorded("deleted")
    assert isinstance(fact, MessageDeleted)
    assert isinstance(other, MessageDeleted)
    assert (fact.thread_ref, fact.ts, fact.by, fact.dedup_keys[1:]) == (
        other.thread_ref,
        other.ts,
        other.by,
        other.dedup_keys[1:],
    )


def test_a_stone_that_is_taken_away_is_nothing_to_us() -> None:
    sent = load_payload("deleted")
    sent["event"]["previous_message"] = load_payload("deleted_with_replies")["event"]["message"]
    assert parse_events_api(sent, BOT) == Ignored("Slack itself said it")


def test_a_deleted_message_of_which_nothing_is_left_is_told() -> None:
    sent = load_payload("deleted")
    del sent["event"]["previous_message"]
    fact = parse_events_api(sent, BOT)
    assert isinstance(fact, MessageDeleted)
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
    assert parse_recorded(name) == Ignored(reason)


def test_the_stop_button_of_slack_stops_a_thread() -> None:
    fact = parse_recorded("session_stopped")
    assert isinstance(fact, SessionStopped)
    assert (fact.thread_ref, fact.by) == (THREAD, "slack:T0HOME/U0ALICE")
    assert len(fact.dedup_keys) == 2


def test_who_opens_our_page_is_told() -> None:
    fact = parse_recorded("home_opened")
    assert isinstance(fact, AppHomeOpened)
    assert (fact.channel, fact.tab, fact.by) == ("D0ALICE", "messages", "slack:T0HOME/U0ALICE")


@pytest.mark.parametrize("given", [{}, {"tab": "home", "view": {"type": "home", "blocks": []}}])
def test_who_opens_our_home_tab_is_told(given: dict[str, Any]) -> None:
    sent = load_payload("home_opened")
    del sent["event"]["tab"]
    sent["event"] |= given
    fact = parse_events_api(sent, BOT)
    assert isinstance(fact, AppHomeOpened)
    assert fact.tab == "home"


def test_our_shortcut_tells_the_message_it_was_used_on() -> None:
    assert parse_recorded("shortcut") == MessageShortcut(
        thread_ref=THREAD,
        ts="1763726420.000200",
        by="slack:T0HOME/U0BOB",
        text="is build 1 (https://ci.example/1) red & why?",
        author="slack:T0HOME/U0ALICE",
        trigger_id="9000000000007.9000000000008.ccccdddd",
        response_url="https://hooks.slack.com/app/T0HOME/9000000000009/JkLmNo",
        at=datetime(2025, 11, 21, 12, 1, 30, tzinfo=UTC),
        dedup_keys=("shortcut:T0HOME:" + sha256(b"9000000000007.9000000000008.ccccdddd").hexdigest()[:32],),
        author_name="slack:T0HOME/U0ALICE",
    )


def test_our_shortcut_works_on_what_a_bot_said() -> None:
    fact = parse_recorded("shortcut_on_bot")
    assert isinstance(fact, MessageShortcut)
    assert (fact.author, fact.text) == (None, "build 1 failed")
    assert fact.thread_ref == ThreadRef("T0HOME", "C0DEV", "1763726420.000200")


@pytest.mark.parametrize("name", ["user_team", "source_team", "team"])
def test_our_shortcut_tells_the_home_of_a_guest(name: str) -> None:
    sent = load_payload("shortcut")
    del sent["message"]["team"]
    sent["message"][name] = "T0OTHER"
    fact = parse_http(*encode_http("shortcut", sent), BOT)
    assert isinstance(fact, MessageShortcut)
    assert (fact.author, fact.thread_ref.team) == ("slack:T0OTHER/U0ALICE", "T0HOME")


def test_our_shortcut_used_twice_is_two_facts() -> None:
    sent = load_payload("shortcut")
    sent["trigger_id"] = "9000000000007.9000000000008.eeeeffff"
    again, first = parse_http(*encode_http("shortcut", sent), BOT), parse_recorded("shortcut")
    assert isinstance(first, MessageShortcut)
    assert isinstance(again, MessageShortcut)
    assert set(first.dedup_keys).isdisjoint(again.dedup_keys)


def test_a_click_tells_the_card_and_who_pressed() -> None:
    fact = parse_recorded("click")
    assert isinstance(fact, BlockAction)
    assert (fact.action, fact.choice_index, fact.signed_value) == ("handrail.approve", None, "v1.req_1.seal")
    assert (fact.thread_ref, fact.message_ts, fact.by) == (THREAD, "1763726450.000100", "slack:T0HOME/U0ALICE")
    assert fact.dedup_keys == ("click:T0HOME:C0OPS:1763726450.000100:U0ALICE:handrail.approve:1763726461.123456",)
    assert fact.trigger_id.startswith("9000000000001")
    assert fact.response_url == "https://hooks.slack.com/actions/T0HOME/9000000000003/AbCdEf"


def test_a_click_on_what_only_one_person_sees_is_told_without_its_message() -> None:
    fact = parse_recorded("click_on_ephemeral")
    assert isinstance(fact, BlockAction)
    assert fact.thread_ref.thread_ts == fact.message_ts == "1763726450.000100"


@pytest.mark.parametrize(
    ("name", "choice", "reference"), [("choice", 6, "v1.req_2.seal"), ("choice_by_button", 2, "v1.req_1.seal")]
)
def test_a_choice_is_told_by_its_number(name: str, choice: int, reference: str) -> None:
    fact = parse_recorded(name)
    assert isinstance(fact, BlockAction)
    assert (fact.action, fact.choice_index, fact.signed_value) == ("handrail.choose", choice, reference)


def test_a_modal_tells_the_card_it_was_opened_from() -> None:
    fact = parse_recorded("modal")
    assert isinstance(fact, ViewSubmission)
    assert (fact.callback_id, fact.signed_value, fact.thread_ref) == ("handrail.deny", "v1.req_1.seal", THREAD)
    assert fact.values == {"reason": "not on a Friday", "list": "1", "empty": None}


def test_a_modal_sent_again_with_other_values_is_another_one() -> None:
    sent = load_payload("modal")
    sent["view"]["state"]["values"]["reason"]["text"]["value"] = "not on a Monday"
    first, second = parse_recorded("modal"), parse_http(*encode_http("modal", sent), BOT)
    assert isinstance(first, ViewSubmission)
    assert isinstance(second, ViewSubmission)
    assert first.dedup_keys != second.dedup_keys


def test_a_slash_command_is_told() -> None:
    fact = parse_recorded("command")
    assert isinstance(fact, SlashCommand)
    assert (fact.command, fact.text, fact.channel) == ("/handrail", "status", "C0OPS")


def test_slack_hears_its_challenge_back() -> None:
    assert parse_recorded("url_verification") == UrlVerification("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")


def test_a_check_of_the_certificate_is_known() -> None:
    assert parse_http(b"ssl_check=1&token=x", FORM, BOT) == SslCheck()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("events_api", "mention"), ("interactive", "click"), ("interactive", "shortcut"), ("slash_commands", "command")],
)
def test_a_socket_brings_the_same_as_http(kind: str, name: str) -> None:
    assert parse_socket_envelope(kind, load_payload(name), BOT) == parse_recorded(name)


@pytest.mark.parametrize("text", ["\ud800", float("nan")])
def test_a_socket_takes_for_json_what_http_takes(text: Any) -> None:
    sent = load_payload("mention")
    sent["event"]["text"] = text
    with pytest.raises(InvalidInput, match="not JSON"):
        parse_socket_envelope("events_api", sent, BOT)


@pytest.mark.parametrize("kind", ["events_api", "interactive", "slash_commands"])
@pytest.mark.parametrize("sent", [None, [], "x", {}])
def test_a_socket_that_brings_nothing_is_not_understood(kind: str, sent: Any) -> None:
    with pytest.raises(InvalidInput):
        parse_socket_envelope(kind, sent, BOT)


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
    with pytest.raises(InvalidInput):
        parse_http(body, content_type, BOT)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=[]", b"payload=%ff", b"\xff", b"payload={}", b"a=1&" * 200, b"command=/x", b"%"],
)
def test_a_form_that_is_none_of_slacks_is_not_understood(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_http(body, FORM, BOT)


@given(st.binary(), st.sampled_from([JSON, FORM, ""]))
def test_any_bytes_are_understood_or_not_and_nothing_breaks(body: bytes, content_type: str) -> None:
    with suppress(InvalidInput):
        parse_http(body, content_type, BOT)


def test_a_message_whose_shape_broke_is_named_by_its_place_and_not_by_its_content() -> None:
    sent = load_payload("mention")
    sent["event"]["user"] = "a secret"
    with pytest.raises(InvalidInput, match="user") as caught:
        parse_events_api(sent, BOT)
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
    sent = deepcopy(load_payload(name))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(spots(sent)))
        if data.draw(st.booleans()):
            holder[key] = data.draw(anything)
        elif isinstance(holder, dict):
            holder.pop(key, None)
        if not spots(sent):
            break
    body, content_type = encode_http(name, sent) if isinstance(sent, dict) else (json.dumps(sent).encode(), JSON)
    try:
        fact = parse_http(body, content_type, BOT)
    except InvalidInput:
        return
    assert not any("\x00" in text for text in texts(asdict(fact)))
    assert all(len(key) < 400 and key.isascii() and key.isprintable() for key in getattr(fact, "keys", ()))
