"""Tokens in addresses and Message-IDs survive mail servers and cannot be made or transferred by others."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.tokens import MailTokens, MessageToken, PersonToken, RequestToken, ThreadToken

TOKENS = MailTokens("bot@corp.test", b"k" * 32)
WIDEST = MailTokens(f"{'b' * 20}@corp.test", b"k" * 32)
DIGEST = "0123456789abcdef" * 4

ids = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=18, max_size=18)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
keys = st.from_regex(r"thr_[0-9a-z]{18}:[a-z0-9_/.:-]{1,60}", fullmatch=True)
people = st.sampled_from(["alice@corp.test", "bob@corp.test", "Carol@Other.TEST"])


@given(ids)
def test_thread_address_contains_the_thread(identifier: str) -> None:
    address = TOKENS.thread_address(f"thr_{identifier}")
    assert TOKENS.parse_recipient(address.upper()) == ThreadToken(f"thr_{identifier}")


@given(ids, digests, people)
def test_request_address_contains_request_and_digest(identifier: str, digest: str, recipient: str) -> None:
    address = TOKENS.request_address(f"req_{identifier}", digest, recipient)
    token = TOKENS.parse_recipient(address.upper())
    assert isinstance(token, RequestToken)
    assert (token.request_id, token.digest8) == (f"req_{identifier}", digest[:8])
    assert TOKENS.is_for(token, recipient.upper())


@given(people)
def test_person_address_is_for_its_recipient(recipient: str) -> None:
    token = TOKENS.parse_recipient(TOKENS.person_address(recipient).title())
    assert isinstance(token, PersonToken)
    assert TOKENS.is_for(token, recipient)


@given(keys)
def test_bounce_address_leads_to_the_message_id_of_its_delivery(key: str) -> None:
    message_id = TOKENS.message_id(key)
    token = TOKENS.parse_recipient(TOKENS.return_path(key).upper())
    assert isinstance(token, MessageToken)
    assert token.thread_id == key.partition(":")[0]
    assert TOKENS.message_id_of(token) == message_id == TOKENS.message_id(key)
    assert TOKENS.parse_message_id(message_id) == TOKENS.parse_message_id(f" {message_id.upper()} ") == token


def test_reply_to_an_input_belongs_to_no_thread() -> None:
    first, other = TOKENS.message_id("input:1"), TOKENS.message_id("input:2")
    token = TOKENS.parse_message_id(first)
    assert isinstance(token, MessageToken)
    assert token.thread_id == ""
    assert first != other
    assert TOKENS.message_id_of(token) == first


@given(ids, digests, keys)
def test_local_part_fits_into_64_octets_of_a_dot_atom(identifier: str, digest: str, key: str) -> None:
    for address in (
        WIDEST.thread_address(f"thr_{identifier}"),
        WIDEST.request_address(f"req_{identifier}", digest, "alice@corp.test"),
        WIDEST.person_address("alice@corp.test"),
        WIDEST.return_path(key),
    ):
        assert re.fullmatch(r"[a-z0-9+_-]{1,64}@corp\.test", address)
        assert WIDEST.accepts(address)


all_addresses = st.sampled_from(
    [
        TOKENS.thread_address("thr_000000000000000001"),
        TOKENS.request_address("req_000000000000000001", DIGEST, "alice@corp.test"),
        TOKENS.person_address("alice@corp.test"),
        TOKENS.return_path("thr_000000000000000001:message-1"),
    ]
)


@given(all_addresses, st.data())
def test_token_with_one_changed_character_is_refused(address: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(len("bot+"), address.index("@") - 1))
    character = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789_-").filter(lambda c: c != address[position])
    )
    changed = address[:position] + character + address[position + 1 :]
    assert not is_valid_for_alice(changed)
    assert is_valid_for_alice(address)


def is_valid_for_alice(address: str) -> bool:
    token = TOKENS.parse_recipient(address)
    return isinstance(token, ThreadToken | MessageToken) or (
        token is not None and TOKENS.is_for(token, "alice@corp.test")
    )


@given(all_addresses, st.binary(min_size=1, max_size=64).filter(lambda key: key != TOKENS.key))
def test_token_made_with_another_key_is_refused(address: str, key: bytes) -> None:
    other = replace(TOKENS, key=key)
    token = other.parse_recipient(address)
    assert token is None or not other.is_for(token, "alice@corp.test")


@pytest.mark.parametrize("other", ["bob@corp.test", "alice@corp.test.evil.test", "", "alice"])
def test_token_made_for_another_recipient_is_refused(other: str) -> None:
    request = TOKENS.parse_recipient(TOKENS.request_address("req_1", DIGEST, "alice@corp.test"))
    person = TOKENS.parse_recipient(TOKENS.person_address("alice@corp.test"))
    assert request is not None
    assert person is not None
    assert not TOKENS.is_for(request, other)
    assert not TOKENS.is_for(person, other)


def test_signature_of_one_request_does_not_fit_another() -> None:
    token = TOKENS.parse_recipient(TOKENS.request_address("req_1", DIGEST, "alice@corp.test"))
    assert isinstance(token, RequestToken)
    assert not TOKENS.is_for(replace(token, request_id="req_2"), "alice@corp.test")
    assert not TOKENS.is_for(replace(token, digest8="ffffffff"), "alice@corp.test")


def test_message_id_does_not_give_away_the_return_path() -> None:
    payload = TOKENS.message_id("thr_1:a")[2:].partition("@")[0]
    assert not TOKENS.accepts(f"bot+b{payload}@corp.test")


def test_token_of_a_thread_is_made_for_no_recipient() -> None:
    assert not TOKENS.is_for(ThreadToken("thr_1"), "alice@corp.test")


@pytest.mark.parametrize(
    "recipient",
    [
        "alice@corp.test",
        "bot@other.test",
        "bot+@corp.test",
        "bot+hello@corp.test",
        "bota@corp.test",
        "bot+t1aaaaaaaaaaaaaaaa@corp.test",
        "bot+b1aaaaaaaaaaaaaaaaaaaaaaaa@corp.test",
        "bot",
        "",
        "bot@corp.test@corp.test",
    ],
)
def test_mail_for_others_and_with_forged_tokens_is_not_accepted(recipient: str) -> None:
    assert not TOKENS.accepts(recipient)
    assert TOKENS.parse_recipient(recipient) is None


def test_address_without_token_is_accepted() -> None:
    assert TOKENS.accepts("Bot@Corp.Test")
    assert TOKENS.parse_recipient("bot@corp.test") is None


@given(st.text(max_size=80))
def test_any_text_is_accepted_or_refused_without_an_error(text: str) -> None:
    assert not TOKENS.accepts(text)
    assert TOKENS.parse_message_id(text) is None


@pytest.mark.parametrize("text", ["<m1@corp.test>", "<x@other.test>", "", "<>", "<@corp.test>"])
def test_message_id_of_another_sender_has_no_token(text: str) -> None:
    assert TOKENS.parse_message_id(text) is None


@pytest.mark.parametrize("identifier", ["1", "thr_", "req_1", "thr_A", f"thr_{'1' * 19}", "thr_1 2"])
def test_id_that_does_not_fit_an_address_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="an id is thr_"):
        TOKENS.thread_address(identifier)


@pytest.mark.parametrize("key", ["", "thr_1", "thr_1:", "other:1", ":1"])
def test_delivery_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is"):
        TOKENS.message_id(key)


@pytest.mark.parametrize(
    ("address", "key", "reason"),
    [
        (f"{'b' * 21}@corp.test", b"k", "at most 20"),
        ("bot@corp.test", b"", "key is empty"),
        ("bot", b"k", "host name"),
    ],
)
def test_address_that_cannot_carry_tokens_is_refused(address: str, key: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        MailTokens(address, key)


def test_key_is_not_shown() -> None:
    assert "kkk" not in repr(TOKENS)
