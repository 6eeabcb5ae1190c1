"""Addresses have the form `scheme:id` and are one printable word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agents.core.values import Address, person_address

ADDRESS_ADAPTER: TypeAdapter[Address] = TypeAdapter(Address)


@pytest.mark.parametrize(
    ("text", "scheme", "address_id"),
    [
        ("slack:C1:1699.12", "slack", "C1:1699.12"),
        ("email:someone+tag@example.com", "email", "someone+tag@example.com"),
        ("sms:+15550001001", "sms", "+15550001001"),
        ("person:alice", "person", "alice"),
        ("channel:web_2", "channel", "web_2"),
        ("email:jürgen@bücher.example", "email", "jürgen@bücher.example"),
    ],
)
def test_address_has_scheme_and_id(text: str, scheme: str, address_id: str) -> None:
    address = Address(text)
    assert (address, address.scheme, address.id) == (text, scheme, address_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        ":alice",
        "person:",
        "person: alice",
        "person::alice",
        "Person:alice",
        "1person:alice",
        "per son:alice",
        "person:al ice",
        "person:alice\n",
        "\nperson:alice",
        "person:al\x00ice",
        "person:al\x7fice",
        "person:al\u00a0ice",
        "person:al\u2028ice",
        "person:al\u202eice",
        "person:al\u200bice",
        "person:al\ud800ice",
        "person:al\ufeffice",
        "email:" + "a" * 320,
    ],
)
def test_malformed_address_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address; write it like person:alice"):
        Address(text)


def test_address_length_has_room_for_an_email_address() -> None:
    assert Address("email:" + "a" * 314)
    with pytest.raises(ValueError, match="is not an address"):
        Address("email:" + "a" * 315)


def test_error_shows_only_the_start_of_a_rejected_address() -> None:
    with pytest.raises(ValueError, match="not an address") as error_info:
        Address("x" * 10_000)
    assert len(str(error_info.value)) < 200


@given(st.text() | st.text().map("x:".__add__))
def test_any_text_round_trips_as_an_address_or_is_rejected(text: str) -> None:
    try:
        address = Address(text)
    except ValueError:
        return
    assert f"{address.scheme}:{address.id}" == address == text
    assert address.isprintable()
    assert " " not in address


def test_address_round_trips_through_json() -> None:
    address = ADDRESS_ADAPTER.validate_json(ADDRESS_ADAPTER.dump_json(person_address("alice")))
    assert address == person_address("alice")
    assert isinstance(address, Address)


def test_pydantic_model_rejects_a_malformed_address() -> None:
    with pytest.raises(ValidationError, match="is not an address"):
        ADDRESS_ADAPTER.validate_python("nowhere")
