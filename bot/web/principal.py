"""Bearer tokens: who comes in, as whom they speak, and what their token lets them do."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.addresses import Address, person_address
from agents.errors import MissingScope
from agents.people import People, Person
from agents.rights import Viewer, to_viewer
from bot.environment.api_tokens import ApiToken, TokenScope
from bot.web.errors import error_response

API_PREFIX = "/v1"
_UNAUTHORIZED_MESSAGE = "send a token that this server knows: Authorization: Bearer TOKEN"


@dataclass(frozen=True)
class Credential:
    """A token that is let in. One with `admin` has every scope, whatever roles its person has."""

    token: ApiToken
    is_admin: bool = False


@dataclass(frozen=True)
class Principal:
    """One caller. `person` is None for a program, and for a person whom the configuration does not know.

    `scopes` are what the token lets them do, `viewer` is what they may see.
    """

    token_name: str
    address: Address
    person: Person | None
    scopes: tuple[TokenScope, ...]
    viewer: Viewer

    @classmethod
    def from_credential(cls, credential: Credential, people: People) -> "Principal":
        token = credential.token
        # A program has a scheme of its own: it is not taken for the person it is named like.
        address = Address(f"token:{token.name}") if token.person is None else person_address(token.person)
        who = people.get(address)
        scopes = token.granted_scopes(is_admin=credential.is_admin or (who is not None and who.has_role("admin")))
        viewer = to_viewer(address, people, source=_web_address(token.name), is_admin="admin" in scopes)
        return cls(token.name, address, who, scopes, viewer)

    @property
    def source(self) -> Address:
        """Where this one speaks from."""
        return _web_address(self.token_name)

    def require_scope(self, scope: TokenScope, purpose: str = "this") -> None:
        """Raises MissingScope unless the token has the scope."""
        if scope not in self.scopes:
            raise MissingScope(
                f"{purpose} takes the scope {scope}, which token {self.token_name} does not have; "
                "add it to the token's entry in HANDRAIL_API_TOKENS, or use another token"
            )


class AuthMiddleware:
    """Lets nobody without a token into the API: asked before a path is looked up or a body is read."""

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
            refusal = error_response(401, "unauthorized", _UNAUTHORIZED_MESSAGE, headers={"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        scope.setdefault("state", {})["principal"] = principal
        return await self._app(scope, receive, send)

    def _authenticate(self, authorization: str) -> Principal | None:
        """Compares with every token, always, and over digests, so that time tells neither which nor how long."""
        scheme, _, given = authorization.partition(" ")
        digest = _secret_digest(given.strip())
        found = [principal for known, principal in self._principals if compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


def _web_address(token_name: str) -> Address:
    return Address(f"web:{token_name}")


def is_api_path(path: str) -> bool:
    """Whether a path is part of the API."""
    return path == API_PREFIX or path.startswith(f"{API_PREFIX}/")


def _secret_digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


_bearer = HTTPBearer(auto_error=False, description="One of HANDRAIL_API_TOKENS, or the content of .handrail/api-token.")


async def get_caller(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
    """Whoever the gate let in. A route that stands behind no gate fails here, and is not open to all."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(get_caller)]


async def get_optional_caller(request: Request) -> Principal | None:
    """Return who sent a token this server knows, where none is needed."""
    principal: Principal | None = getattr(request.state, "principal", None)
    return principal


OptionalCaller = Annotated[Principal | None, Depends(get_optional_caller)]
