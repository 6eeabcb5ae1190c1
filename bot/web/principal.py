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

from agents.addresses import Address, person
from agents.errors import MissingScope
from agents.people import People, Person
from agents.rights import Viewer, viewer_of
from bot.environment.api_tokens import ApiToken, TokenScope
from bot.web.problems import problem

GUARDED = "/v1"
_NOBODY = "send a token that this server knows: Authorization: Bearer TOKEN"


@dataclass(frozen=True)
class Credential:
    """A token that is let in. One with `admin` has every scope, whatever roles its person has."""

    token: ApiToken
    admin: bool = False


@dataclass(frozen=True)
class Principal:
    """One caller. `person` is None for a program, and for a person whom the configuration does not know.

    `scopes` are what the token lets them do, `viewer` is what they may see.
    """

    token: str
    address: Address
    person: Person | None
    scopes: tuple[TokenScope, ...]
    viewer: Viewer

    @classmethod
    def of(cls, credential: Credential, people: People) -> "Principal":
        token = credential.token
        # A program has a scheme of its own: it is not taken for the person it is named like.
        address = Address(f"token:{token.name}") if token.person is None else person(token.person)
        who = people.get(address)
        scopes = token.granted(is_admin=credential.admin or (who is not None and who.has_role("admin")))
        viewer = viewer_of(address, people, seat=_seat_of(token.name), is_admin="admin" in scopes)
        return cls(token.name, address, who, scopes, viewer)

    @property
    def channel(self) -> Address:
        """Where this one speaks from."""
        return _seat_of(self.token)

    def require(self, scope: TokenScope, purpose: str = "this") -> None:
        """Raises MissingScope unless the token has the scope."""
        if scope not in self.scopes:
            raise MissingScope(
                f"{purpose} takes the scope {scope}, which token {self.token} does not have; "
                "add it to the token's entry in HANDRAIL_API_TOKENS, or use another token"
            )


class Gate:
    """Lets nobody without a token into the API: asked before a path is looked up or a body is read."""

    def __init__(self, app: ASGIApp, credentials: Sequence[Credential], people: People) -> None:
        self._app = app
        self._doors = [(_digest(c.token.secret.get_secret_value()), Principal.of(c, people)) for c in credentials]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        principal = self._let_in(Headers(scope=scope).get("authorization", ""))
        if principal is None:
            if not guarded(scope["path"]):
                return await self._app(scope, receive, send)
            refusal = problem(401, "unauthorized", _NOBODY, headers={"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        scope.setdefault("state", {})["principal"] = principal
        return await self._app(scope, receive, send)

    def _let_in(self, authorization: str) -> Principal | None:
        """Compares with every token, always, and over digests, so that time tells neither which nor how long."""
        scheme, _, given = authorization.partition(" ")
        digest = _digest(given.strip())
        found = [principal for known, principal in self._doors if compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


def _seat_of(token: str) -> Address:
    return Address(f"web:{token}")


def guarded(path: str) -> bool:
    """Whether a path is part of the API."""
    return path == GUARDED or path.startswith(f"{GUARDED}/")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


_bearer = HTTPBearer(auto_error=False, description="One of HANDRAIL_API_TOKENS, or the content of .handrail/api-token.")


async def caller(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
    """Whoever the gate let in. A route that stands behind no gate fails here, and is not open to all."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(caller)]


async def possible_caller(request: Request) -> Principal | None:
    """Return who sent a token this server knows, where none is needed."""
    principal: Principal | None = getattr(request.state, "principal", None)
    return principal


PossibleCaller = Annotated[Principal | None, Depends(possible_caller)]
