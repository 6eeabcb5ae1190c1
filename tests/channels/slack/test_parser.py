"""Tests that HTTP requests and Socket Mode envelopes from Slack are parsed to the same events."""

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

from agents.core.errors import InvalidInput
from channels.slack.app import decode_envelope
from channels.slack.inbound_events import (
    AppHomeOpened,
    BlockAction,
    File,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    SlashCommand,
    ThreadRef,
    ViewSubmission,
    identity_aliases,
)
from tests.channels.slack.recorded_payloads import (
    FORM,
    JSON,
    NAMES,
    encode_http,
    load_payload,
    parse_http,
    parse_payload,
    parse_recorded,
)
from tests.slow_cases import example_count

THREAD = ThreadRef("T0HOME", "C0OPS", "1763726400.000100")


def test_mention_is_parsed_without_the_bot_name() -> None:
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


def test_both_deliveries_of_a_mention_share_dedup_keys() -> None:
    first, second = parse_recorded("mention"), parse_recorded("mention_as_message")
    assert isinstance(first, MessagePosted)
    assert isinstance(second, MessagePosted)
    assert second.kind == "mention"
    assert set(first.dedup_keys[1:]) == set(second.dedup_keys[1:])
    assert first.dedup_keys[0] != second.dedup_keys[0]


def test_reply_names_its_thread() -> None:
    event = parse_recorded("thread_reply")
    assert isinstance(event, MessagePosted)
    assert (event.kind, event.thread_ref, event.text) == ("reply", THREAD, "wait, @U0ALICE is on a train")
    assert event.thread_ref.address == "slack:C0OPS:1763726400.000100"


def test_direct_message_is_its_own_thread_root() -> None:
    event = parse_recorded("direct_message")
    assert isinstance(event, MessagePosted)
    assert (event.kind, event.thread_ref) == ("direct", ThreadRef("T0HOME", "D0ALICE", "1763726500.000300"))


def test_empty_thread_ts_counts_as_missing() -> None:
    payload = load_payload("direct_message")
    payload["event"]["thread_ts"] = ""
    event = parse_payload(payload)
    assert isinstance(event, MessagePosted)
    assert event.thread_ref.thread_ts == "1763726500.000300"


def test_files_have_id_name_and_type() -> None:
    event = parse_recorded("file_share")
    assert isinstance(event, MessagePosted)
    assert event.files == (File("F0LOG", "out.log", "text/plain"),)


def test_pasted_table_is_part_of_the_text() -> None:
    event = parse_recorded("pasted_table")
    assert isinstance(event, MessagePosted)
    assert event.text == "these two\nhost | state\ndb-7 | down"


def test_external_user_keeps_their_own_team() -> None:
    event = parse_recorded("shared_channel_mention")
    assert isinstance(event, MessagePosted)
    assert (event.by, event.thread_ref.team) == ("slack:T0OTHER/U0GUEST", "T0HOME")
    assert identity_aliases(event.by, "T0HOME") == ("slack:T0OTHER/U0GUEST",)


def test_internal_user_has_an_alias_without_team() -> None:
    event = parse_recorded("mention")
    assert isinstance(event, MessagePosted)
    assert identity_aliases(event.by, "T0HOME") == ("slack:T0HOME/U0ALICE", "slack:U0ALICE")


def test_edit_has_previous_and_new_text() -> None:
    event = parse_recorded("edit")
    assert isinstance(event, MessageChanged)
    assert (event.previous_text, event.text) == ("deploy backend v1.4.1", "deploy backend v1.4.2")
    assert event.thread_ref == THREAD
    assert event.dedup_keys == ("event:T0HOME:Ev0E1", "edit:T0HOME:C0OPS:1763726400.000100:1763726430.000000")


@pytest.mark.parametrize("name", ["unfurl", "language_detected"])
def test_change_without_new_text_is_ignored(name: str) -> None:
    assert parse_recorded(name) is None


@pytest.mark.parametrize("known", [("user",), ("bot_id",), ("app_id",)])
def test_own_message_is_recognized_by_user_bot_or_app_id(known: tuple[str, ...]) -> None:
    payload = load_payload("own_message")
    for name in {"user", "bot_id", "app_id", "bot_profile"}.difference(known):
        del payload["event"][name]
    payload["event"].setdefault("user", "U0ALICE")
    payload["event"]["text"] = "<@U0RAIL> again"
    assert parse_payload(payload) is None


def test_mention_without_app_id_is_parsed() -> None:
    payload = load_payload("mention")
    del payload["api_app_id"]
    assert parse_payload(payload) == parse_recorded("mention")


def test_deletion_names_thread_message_and_author() -> None:
    event = parse_recorded("deleted")
    assert isinstance(event, MessageDeleted)
    assert (event.thread_ref, event.ts, event.by) == (THREAD, "1763726400.000100", "slack:T0HOME/U0ALICE")
    assert "delete:T0HOME:C0OPS:1763726400.000100" in event.dedup_keys


def test_tombstone_is_parsed_as_deletion() -> None:
    event, other = parse_recorded("deleted_with_replies"), parse_recorded("deleted")
    assert isinstance(event, MessageDeleted)
    assert isinstance(other, MessageDeleted)
    assert (event.thread_ref, event.ts, event.by, event.dedup_keys[1:]) == (
        other.thread_ref,
        other.ts,
        other.by,
        other.dedup_keys[1:],
    )


def test_deletion_of_a_tombstone_is_ignored() -> None:
    payload = load_payload("deleted")
    payload["event"]["previous_message"] = load_payload("deleted_with_replies")["event"]["message"]
    assert parse_payload(payload) is None


def test_deletion_without_previous_message_has_no_author() -> None:
    payload = load_payload("deleted")
    del payload["event"]["previous_message"]
    event = parse_payload(payload)
    assert isinstance(event, MessageDeleted)
    assert event.by is None


@pytest.mark.parametrize(
    "name",
    [
        "own_message", "own_card_changed", "other_bot", "other_bot_as_user", "slackbot", "said_to_nobody",
        "channel_join", "reaction", "rate_limited", "click_on_link", "click_at_home", "shortcut_of_another",
        "other_modal", "url_verification",
    ],
)  # fmt: skip
def test_irrelevant_payload_reaches_no_listener(name: str) -> None:
    assert parse_recorded(name) is None


def test_stop_button_is_parsed() -> None:
    event = parse_recorded("session_stopped")
    assert isinstance(event, SessionStopped)
    assert (event.thread_ref, event.by) == (THREAD, "slack:T0HOME/U0ALICE")
    assert len(event.dedup_keys) == 2


def test_opened_messages_tab_is_parsed() -> None:
    event = parse_recorded("home_opened")
    assert isinstance(event, AppHomeOpened)
    assert (event.channel, event.tab, event.by) == ("D0ALICE", "messages", "slack:T0HOME/U0ALICE")


@pytest.mark.parametrize("fields", [{}, {"tab": "home", "view": {"type": "home", "blocks": []}}])
def test_opened_home_tab_is_parsed(fields: dict[str, Any]) -> None:
    payload = load_payload("home_opened")
    del payload["event"]["tab"]
    payload["event"] |= fields
    event = parse_payload(payload)
    assert isinstance(event, AppHomeOpened)
    assert event.tab == "home"


def test_shortcut_has_the_message_and_its_author() -> None:
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


def test_shortcut_on_a_bot_message_has_no_author() -> None:
    event = parse_recorded("shortcut_on_bot")
    assert isinstance(event, MessageShortcut)
    assert (event.author, event.text) == (None, "build 1 failed")
    assert event.thread_ref == ThreadRef("T0HOME", "C0DEV", "1763726420.000200")


@pytest.mark.parametrize("name", ["user_team", "source_team", "team"])
def test_shortcut_names_the_team_of_an_external_author(name: str) -> None:
    payload = load_payload("shortcut")
    del payload["message"]["team"]
    payload["message"][name] = "T0OTHER"
    event = parse_http(*encode_http("shortcut", payload))
    assert isinstance(event, MessageShortcut)
    assert (event.author, event.thread_ref.team) == ("slack:T0OTHER/U0ALICE", "T0HOME")


def test_two_uses_of_a_shortcut_share_no_dedup_key() -> None:
    payload = load_payload("shortcut")
    payload["trigger_id"] = "9000000000007.9000000000008.eeeeffff"
    again, first = parse_http(*encode_http("shortcut", payload)), parse_recorded("shortcut")
    assert isinstance(first, MessageShortcut)
    assert isinstance(again, MessageShortcut)
    assert set(first.dedup_keys).isdisjoint(again.dedup_keys)


def test_click_names_card_user_and_action() -> None:
    event = parse_recorded("click")
    assert isinstance(event, BlockAction)
    assert (event.action, event.choice_index, event.signed_value) == ("handrail.approve", None, "v1.req_1.seal")
    assert (event.thread_ref, event.message_ts, event.by) == (THREAD, "1763726450.000100", "slack:T0HOME/U0ALICE")
    assert event.dedup_keys == ("click:T0HOME:C0OPS:1763726450.000100:U0ALICE:handrail.approve:1763726461.123456",)
    assert event.trigger_id.startswith("9000000000001")
    assert event.response_url == "https://hooks.slack.com/actions/T0HOME/9000000000003/AbCdEf"


def test_click_on_ephemeral_message_uses_its_container() -> None:
    event = parse_recorded("click_on_ephemeral")
    assert isinstance(event, BlockAction)
    assert event.thread_ref.thread_ts == event.message_ts == "1763726450.000100"


@pytest.mark.parametrize(
    ("name", "choice", "signed_value"), [("choice", 6, "v1.req_2.seal"), ("choice_by_button", 2, "v1.req_1.seal")]
)
def test_choice_has_an_index_and_the_signed_value(name: str, choice: int, signed_value: str) -> None:
    event = parse_recorded(name)
    assert isinstance(event, BlockAction)
    assert (event.action, event.choice_index, event.signed_value) == ("handrail.choose", choice, signed_value)


def test_modal_names_the_card_it_was_opened_from() -> None:
    event = parse_recorded("modal")
    assert isinstance(event, ViewSubmission)
    assert (event.callback_id, event.signed_value, event.thread_ref) == ("handrail.deny", "v1.req_1.seal", THREAD)
    assert event.values == {"reason": "not on a Friday", "list": "1", "empty": None}


def test_resubmitted_modal_has_another_dedup_key() -> None:
    payload = load_payload("modal")
    payload["view"]["state"]["values"]["reason"]["text"]["value"] = "not on a Monday"
    first, second = parse_recorded("modal"), parse_http(*encode_http("modal", payload))
    assert isinstance(first, ViewSubmission)
    assert isinstance(second, ViewSubmission)
    assert first.dedup_keys != second.dedup_keys


def test_slash_command_is_parsed() -> None:
    event = parse_recorded("command")
    assert isinstance(event, SlashCommand)
    assert (event.command, event.text, event.channel) == ("/handrail", "status", "C0OPS")


@pytest.mark.parametrize("name", ["mention", "click", "shortcut", "command"])
def test_socket_mode_and_http_yield_the_same_event(name: str) -> None:
    assert parse_payload(decode_envelope(load_payload(name))) == parse_recorded(name)


@pytest.mark.parametrize("text", ["\ud800", float("nan")])
def test_socket_mode_rejects_json_that_http_rejects(text: Any) -> None:
    payload = load_payload("mention")
    payload["event"]["text"] = text
    with pytest.raises(InvalidInput, match="invalid JSON"):
        decode_envelope(payload)


@pytest.mark.parametrize("payload", [None, [], "x", {}])
def test_malformed_envelope_raises_invalid_input(payload: Any) -> None:
    with pytest.raises(InvalidInput):
        parse_payload(decode_envelope(payload))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"NaN", b"{}", b'{"type": 1}', b"[" * 100_000,
        b'{"type":"event_callback"}', b'{"type":"url_verification"}', b'{"type":"block_actions","actions":[]}',
        b'{"type":"event_callback","team_id":"T1","event_id":"E","event":[]}', b'{"type":"\\ud800"}', b" " * 2_000_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("content_type", [JSON, "", "text/plain"])
def test_malformed_json_body_raises_invalid_input(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidInput):
        parse_http(body, content_type)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=[]", b"payload=%ff", b"\xff", b"payload={}", b"a=1&" * 200, b"command=/x", b"%"],
)
def test_malformed_form_raises_invalid_input(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_http(body, FORM)


@given(st.binary(), st.sampled_from([JSON, FORM, ""]))
def test_any_bytes_parse_or_raise_invalid_input(body: bytes, content_type: str) -> None:
    with suppress(InvalidInput):
        parse_http(body, content_type)


def test_invalid_field_is_named_without_its_value() -> None:
    payload = load_payload("mention")
    payload["event"]["user"] = "a secret"
    with pytest.raises(InvalidInput, match="user") as raised:
        parse_payload(payload)
    assert "secret" not in str(raised.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from(["", "message", "message_changed", "9999999999.9", "9" * 50, "\x00", "im", "rich_text", "table"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def locations(value: Any) -> list[tuple[Any, Any]]:
    """Return every value of a payload as its container and key."""
    if not isinstance(value, dict | list):
        return []
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    return [location for key in list(keys) for location in ((value, key), *locations(value[key]))]


def texts(value: Any) -> list[str]:
    if isinstance(value, dict | list | tuple):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=example_count(2))
@given(name=st.sampled_from(NAMES), data=st.data())
def test_mutated_payload_parses_or_raises_invalid_input(name: str, data: st.DataObject) -> None:
    payload = deepcopy(load_payload(name))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(locations(payload)))
        if data.draw(st.booleans()):
            container[key] = data.draw(anything)
        elif isinstance(container, dict):
            container.pop(key, None)
        if not locations(payload):
            break
    body, content_type = (
        encode_http(name, payload) if isinstance(payload, dict) else (json.dumps(payload).encode(), JSON)
    )
    try:
        event = parse_http(body, content_type)
    except InvalidInput:
        return
    if event is None:
        return
    assert not any("\x00" in text for text in texts(asdict(event)))
    assert all(len(key) < 400 and key.isascii() and key.isprintable() for key in getattr(event, "dedup_keys", ()))
