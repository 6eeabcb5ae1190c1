"""Scopes limit what a token may do."""

import pytest
from pydantic import SecretStr

from bot.api.app import create_app
from bot.api.auth import Credential, Principal
from bot.config.environment import SCOPES, ApiToken, TokenScope
from tests.harness.api import PEOPLE, ApiHarness

ALLOWED_SCOPES: dict[str, set[TokenScope]] = {
    "read": {"read"},
    "start": {"start"},
    "answer": {"answer"},
    "admin": set(SCOPES),
    "default": {"read", "start", "answer"},
}


def make_token(scope: str) -> ApiToken:
    scopes: tuple[TokenScope, ...] | None = None if scope == "default" else (scope,)  # type: ignore[assignment]
    return ApiToken(name=scope, secret=SecretStr(f"secret-{scope}"), person="alice", scopes=scopes)


@pytest.mark.parametrize("scope", ALLOWED_SCOPES)
async def test_missing_scope_is_named_in_the_error(api: ApiHarness, scope: str) -> None:
    request = await api.open_request("push v1")
    api.app = create_app(api.bot, [Credential(make_token(scope))])
    client, thread_path = api.client(scope), f"/v1/threads/{request['thread_id']}"
    calls_by_scope: dict[TokenScope, list[tuple[str, str, dict[str, object]]]] = {
        "read": [("GET", "/v1/threads", {}), ("GET", thread_path, {}), ("GET", "/v1/requests", {})],
        "start": [("POST", "/v1/threads", {"message": "look"}), ("POST", f"{thread_path}/pause", {})],
        "answer": [("POST", f"/v1/requests/{request['id']}/answer", {"decision": "deny"})],
        "admin": [("POST", "/v1/threads", {"message": "look", "requester": "person:bob"})],
    }
    for needed_scope, calls in calls_by_scope.items():
        for method, path, body in calls:
            response = await client.request(method, path, json=body)
            if needed_scope in ALLOWED_SCOPES[scope]:
                assert response.status_code < 300, response.text
            else:
                assert (response.status_code, response.json()["error"]["code"]) == (403, "missing_scope")
                missing = "start" if needed_scope == "admin" and "start" not in ALLOWED_SCOPES[scope] else needed_scope
                assert f"scope {missing}" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("person", "scopes", "expected_scopes", "is_admin"),
    [
        ("carol", None, SCOPES, True),
        ("carol", ("read",), ("read",), True),
        ("alice", None, ("read", "start", "answer"), False),
        ("alice", ("admin",), SCOPES, True),
        (None, None, ("read", "start", "answer"), False),
        (None, ("admin",), SCOPES, True),
    ],
)
def test_scopes_do_not_limit_what_a_person_sees(
    person: str | None, scopes: tuple[TokenScope, ...] | None, expected_scopes: tuple[TokenScope, ...], is_admin: bool
) -> None:
    credential = Credential(ApiToken(name="t", secret=SecretStr("s"), person=person, scopes=scopes))
    principal = Principal.from_credential(credential, PEOPLE)
    assert (principal.scopes, principal.viewer.is_admin) == (expected_scopes, is_admin)
