"""HTTP endpoint for Slack: unsigned requests are rejected, signed requests are answered and not lost."""

import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.steps import DoneForNow
from channels.slack.channel import SlackChannel
from storage.database.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.bot_request import BotResponse
from tests.fakes.slack.slack import fake_slack
from tests.harness.slack import OPS, SlackHarness, Transport, locked_database, running_slack_bot, slack_bot_in
from tests.slow_cases import example_count

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
HELLO = DoneForNow(message="Hello.")
MALFORMED_BODIES = (
    (b"\xff\xfe", JSON), (b"{", JSON), (b"[]", JSON), (b"[{}]", JSON), (b"null", JSON), (b"", JSON), (b"", FORM),
    (b"{}", "text/plain"), (b"a=b", FORM), (b"payload=", FORM), (b"payload=%5B%5D", FORM), (b"payload=%ff", FORM),
    (b"\xff=1", FORM), (b'{"type": "event_callback"}', JSON), (b'{"type": "url_verification"}', JSON),
    (b'payload={"type":"block_actions","container":{"type":"message"}}', FORM),
    (b'{"type":"event_callback","team_id":"T1","event_id":"E1","event":{"type":"message"}}', JSON),
)  # fmt: skip


@pytest.fixture
async def slack_bot(database: Database, running_bot) -> AsyncIterator[SlackHarness]:
    async with running_slack_bot(running_bot, database) as harness:
        channel = harness.bot_harness.bot.channels["slack"]
        assert isinstance(channel, SlackChannel)
        await channel.bot_identity.get()  # the payloads of these tests do not name the bot
        yield harness


async def post_signed(slack_bot: SlackHarness, body: bytes, content_type: str = JSON, **headers: str) -> BotResponse:
    """Post a body with a valid signature; `headers` replace those of Slack."""
    overrides = {name.replace("_", "-"): value for name, value in headers.items()}
    return await slack_bot.slack.http.post(
        body, slack_bot.slack.http.signature_headers(body) | {"Content-Type": content_type} | overrides
    )


async def is_acknowledged(slack_bot: SlackHarness, body: bytes, content_type: str) -> bool:
    """Return whether the response is an empty 200."""
    response = await post_signed(slack_bot, body, content_type)
    return (response.status, response.body) == (200, "")


def response_statuses(slack_bot: SlackHarness) -> list[int]:
    return [response.status for _, response in slack_bot.slack.delivery_attempts]


async def test_unsigned_request_is_rejected(slack_bot: SlackHarness) -> None:
    for signature in ("", "v0=" + "0" * 64, "v0=ü", "v1=" + "0" * 64):
        assert (await post_signed(slack_bot, b"{}", X_Slack_Signature=signature)).status == 401, signature
    for timestamp in ("", "abc", "-1", "9" * 400, "1e9", "١٧٦٧٣٤٤٤٠٠", "1767344699"):
        assert (await post_signed(slack_bot, b"{}", X_Slack_Request_Timestamp=timestamp)).status == 401, timestamp
    assert (await slack_bot.slack.http.post(b"{}", {"Content-Type": JSON})).status == 401


async def test_old_signature_is_rejected(slack_bot: SlackHarness) -> None:
    body = b'{"type": "event_callback"}'
    old_headers = slack_bot.slack.http.signature_headers(body)
    await slack_bot.advance_clock(seconds=301)
    assert (await slack_bot.slack.http.post(body, old_headers | {"Content-Type": JSON})).status == 401


async def test_malformed_request_is_rejected(slack_bot: SlackHarness) -> None:
    for body, content_type in MALFORMED_BODIES:
        response = await post_signed(slack_bot, body, content_type)
        assert (response.status, response.body["error"]["code"]) == (400, "invalid"), body


async def test_oversized_request_is_rejected(slack_bot: SlackHarness) -> None:
    assert (await post_signed(slack_bot, b" " * 1_010_000)).status == 413


async def test_irrelevant_request_is_acknowledged(slack_bot: SlackHarness) -> None:
    for event in ({"type": "team_join"}, {"type": "agent_new"}, {}):
        payload = {"type": "event_callback", "team_id": "T0TEAM", "event_id": "Ev1", "event": event}
        assert await is_acknowledged(slack_bot, json.dumps(payload).encode(), JSON), event
    for kind in ("app_rate_limited", "something_new"):
        assert await is_acknowledged(slack_bot, json.dumps({"type": kind}).encode(), JSON), kind
    for kind in ("shortcut", "view_closed", "view_submission"):
        payload = {"type": kind, "callback_id": "x", "view": {"type": "modal", "callback_id": "x"}}
        assert await is_acknowledged(slack_bot, urlencode({"payload": json.dumps(payload)}).encode(), FORM), kind


async def test_url_verification_and_ssl_check_are_answered(slack_bot: SlackHarness) -> None:
    await slack_bot.slack.verify_url()
    assert (await slack_bot.slack.send_ssl_check()).status == 200
    assert (await slack_bot.slack.http.post(b"ssl_check=0&command=%2Fhandrail", {"Content-Type": FORM})).status == 401


async def test_unstored_event_is_answered_503_and_redelivered(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(HELLO)) as harness:
        async with locked_database(harness.bot_harness):
            root = await harness.alice.mention_bot("hi", channel=OPS)
            await harness.slack.wait_until_quiet()
            assert response_statuses(harness) == [503] * 4  # two events, each retried at once
        await harness.advance_clock(minutes=1)
        await harness.alice.wait_for_reply(root, "Hello.")
        assert response_statuses(harness)[4:6] == [200, 200]
        assert (await harness.event_types(root)).count("MessageReceived") == 1


@pytest.mark.parametrize("error", ["internal_error", "invalid_auth", "page"])
async def test_first_event_is_handled_while_auth_test_fails(
    database: Database, running_bot, transport: Transport, error: str
) -> None:
    async with fake_slack(FakeClock(), socket_mode=transport == "socket") as slack:
        if error == "page":
            slack.answer_next_with_page("auth.test", "before")
        else:
            slack.fail_next("auth.test", error=error)
        async with slack_bot_in(slack, running_bot, database, ScriptedModel(HELLO), transport=transport) as harness:
            root = await harness.alice.mention_bot("hi", channel=OPS)
            await harness.alice.wait_for_reply(root, "Hello.")
            await slack.wait_until_quiet()
            assert set(response_statuses(harness)) == {200}
            assert (await harness.event_types(root)).count("MessageReceived") == 1


async def test_auth_test_is_retried_after_a_delay_and_cached(database: Database, running_bot) -> None:
    async with fake_slack(FakeClock()) as slack:
        slack.fail_next("auth.test", error="internal_error")
        async with slack_bot_in(slack, running_bot, database, ScriptedModel(HELLO, HELLO, HELLO)) as harness:
            for seconds, call_count in ((10, 1), (10, 2), (1, 2)):
                root = await harness.alice.send_direct_message("hi")
                await harness.alice.wait_for_reply(root, "Hello.")
                assert [call.method for call in slack.calls].count("auth.test") == call_count
                await harness.advance_clock(seconds=seconds)


async def test_event_without_identity_is_retried_while_auth_test_fails(database: Database, running_bot) -> None:
    event = {"type": "message", "user": "U0ALICE", "ts": "1767344400.000100", "channel": "D0ALICE", "text": "hi"}
    body = json.dumps({"type": "event_callback", "team_id": "T0TEAM", "event_id": "Ev1", "event": event}).encode()
    async with fake_slack(FakeClock()) as slack:
        slack.fail_next("auth.test", error="internal_error")
        async with slack_bot_in(slack, running_bot, database) as harness:
            assert (await post_signed(harness, body)).status == 503


async def test_body_is_not_parsed_before_its_signature_is_verified(slack_bot: SlackHarness) -> None:
    for body in (b"ssl_check=1&a=" + b"%ff" * 9, b"ssl_check=%31", b"payload=[[[[", b"ssl_check=1" * 999):
        response = await slack_bot.slack.http.post(body, {"Content-Type": FORM})
        assert (response.status, b"ssl_check=1" in body.split(b"&")) in ((401, False), (200, True)), body


async def test_unsigned_header_does_not_skip_the_listener(slack_bot: SlackHarness) -> None:
    *_, (body, content_type) = MALFORMED_BODIES  # only a listener finds out that the message is malformed
    assert (await post_signed(slack_bot, body, content_type, X_Slack_Bolt_Lazy_Only="1")).status == 400


async def test_signed_ssl_check_is_acknowledged(slack_bot: SlackHarness) -> None:
    assert await is_acknowledged(slack_bot, b"ssl_check=1&token=x", FORM)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(["event_callback", "block_actions", "view_submission", "message_action", "url_verification"])
payloads = st.fixed_dictionaries(
    {"type": kinds | json_values},
    optional=dict.fromkeys(("event", "container", "view", "actions", "user", "team", "message"), json_values),
)
bodies = (
    st.binary(max_size=200)
    | payloads.map(lambda value: json.dumps(value).encode())
    | payloads.map(lambda value: urlencode({"payload": json.dumps(value)}).encode())
    | st.dictionaries(st.sampled_from(["command", "team_id", "text", "user_id"]), st.text(max_size=9)).map(
        lambda form: urlencode(form, errors="replace").encode()
    )
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, content_type=st.sampled_from([JSON, FORM, "", "a;b=c"]))
async def test_any_signed_body_is_answered_200_or_400(slack_bot: SlackHarness, body: bytes, content_type: str) -> None:
    assert (await post_signed(slack_bot, body, content_type)).status in (200, 400)


@settings(max_examples=example_count(0.5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(timestamp=header_values, signature=header_values, content_type=header_values)
async def test_any_invalid_headers_are_answered_401(
    slack_bot: SlackHarness, timestamp: str, signature: str, content_type: str
) -> None:
    headers = {"X_Slack_Request_Timestamp": timestamp, "X_Slack_Signature": signature}
    assert (await post_signed(slack_bot, b"{}", content_type, **headers)).status == 401
