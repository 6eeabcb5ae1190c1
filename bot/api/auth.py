"""Bearer tokens: authenticate callers and determine their person, scopes and visible threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.core.errors import MissingScope
from agents.core.people import People, Person
from agents.core.rights import Viewer, may_view, request_not_found, thread_not_found, to_viewer
from agents.core.values import Address, person_address
from bot.api.context import Context
from bot.api.errors import error_response
from bot.config.environment import ApiToken, TokenScope

API_PREFIX = "/v1"
_UNAUTHORIZED_MESSAGE = "send a valid token: Authorization: Bearer TOKEN"


@dataclass(frozen=True)
class Credential:
    """Accepted token.

    With `is_admin`, a token without scopes of its own has every scope, even if its person is no admin.
    """

    token: ApiToken
    is_admin: bool = False


@dataclass(frozen=True)
class Principal:
    """Authenticated caller. `person` is None for a program and for a person who is not configured.

    `scopes` limit what the caller may do, `viewer` limits which threads the caller may see.
    """

    token_name: str
    address: Address
    person: Person | None
    scopes: tuple[TokenScope, ...]
    viewer: Viewer

    @classmethod
    def from_credential(cls, credential: Credential, people: People) -> "Principal":
        token = credential.token
        # A program has its own scheme, so that it is not mistaken for a person of the same name.
        address = Address(f"token:{token.name}") if token.person is None else person_address(token.person)
        person = people.get(address)
        scopes = token.granted_scopes(is_admin=credential.is_admin or (person is not None and person.has_role("admin")))
        viewer = to_viewer(address, people, source=_web_address(token.name), is_admin="admin" in scopes)
        return cls(token.name, address, person, scopes, viewer)

    @property
    def source(self) -> Address:
        """Return the address that the caller's messages come from."""
        return _web_address(self.token_name)

    def require_scope(self, scope: TokenScope, purpose: str = "this") -> None:
        """Raise MissingScope unless the token has the scope. `purpose` begins the error message."""
        if scope not in self.scopes:
            raise MissingScope(
                f"{purpose} requires the scope {scope}, which token {self.token_name} does not have; "
                "add it to the token's entry in HANDRAIL_API_TOKENS, or use another token"
            )


class AuthMiddleware:
    """Rejects API requests without a valid token, before the path is looked up or the body is read."""

    def __init__(self, app: ASGIApp, credentials: Sequence[Credential], people: People) -> None:
        self._app = app
        self._principals = [
            (_secret_digest(c.token.secret.get_secret_value()), Principal.from_credential(c, people))
            for c in credentials
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        principal = self._authenticate(Headers(scope=scope).get("authorization", ""))
        if principal is None:
            if not is_api_path(scope["path"]):
                return await self._app(scope, receive, send)
            return await _unauthorized_response()(scope, receive, send)
        scope.setdefault("state", {})["principal"] = principal
        return await self._app(scope, receive, send)

    def _authenticate(self, authorization: str) -> Principal | None:
        """Return the principal of a token. Always compare digests of all tokens, so that timing reveals nothing."""
        scheme, _, secret = authorization.partition(" ")
        digest = _secret_digest(secret.strip())
        found = [principal for known, principal in self._principals if compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


def _web_address(token_name: str) -> Address:
    return Address(f"web:{token_name}")


def is_api_path(path: str) -> bool:
    """Return whether a path is part of the API."""
    return path == API_PREFIX or path.startswith(f"{API_PREFIX}/")


def _secret_digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


_bearer = HTTPBearer(
    auto_error=False, description="A token of HANDRAIL_API_TOKENS, or the content of .handrail/api-token."
)


async def get_caller(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
    """Return the caller that AuthMiddleware authenticated. A route without that middleware fails here."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(get_caller)]


async def get_optional_caller(request: Request) -> Principal | None:
    """Return the caller of a route that needs no token, or None without a valid token."""
    principal: Principal | None = getattr(request.state, "principal", None)
    return principal


def check_admin(request: Request) -> JSONResponse | None:
    """Return the 401 response to a request without a valid token. Raises MissingScope without the scope `admin`."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        return _unauthorized_response()
    principal.require_scope("admin", f"the path {request.url.path}")
    return None


def _unauthorized_response() -> JSONResponse:
    return error_response(401, "unauthorized", _UNAUTHORIZED_MESSAGE, headers={"WWW-Authenticate": "Bearer"})


OptionalCaller = Annotated[Principal | None, Depends(get_optional_caller)]


class RequireScope:
    """Dependency that raises MissingScope when the caller's token lacks a scope."""

    def __init__(self, scope: TokenScope) -> None:
        self.scope = scope

    async def __call__(self, caller: Caller) -> None:
        caller.require_scope(self.scope)


def require_scope(scope: TokenScope) -> Any:
    """Return the dependency for a route that requires this scope."""
    return Depends(RequireScope(scope))


async def require_visible_thread(thread_id: str, context: Context, caller: Caller) -> None:
    """Raise ThreadNotFound when the thread does not exist or the caller may not see it."""
    if not may_view(await context.bot.engine.load(thread_id), caller.viewer):
        raise thread_not_found(thread_id)


async def require_visible_request(id_or_code: str, context: Context, caller: Caller) -> None:
    """Raise RequestNotFound when the request does not exist or the caller may not see its thread."""
    request = await context.bot.approvals.find_request(id_or_code)
    if not may_view(await context.bot.engine.load(request.thread_id), caller.viewer):
        raise request_not_found(id_or_code)


VISIBLE_THREAD = Depends(require_visible_thread)
VISIBLE_REQUEST = Depends(require_visible_request)
