"""API tokens as `handrail tokens` shows them: holders and scopes, without secrets."""

from agents.addresses import person_address
from agents.frozen import FrozenModel
from agents.people import People
from bot.environment.api_tokens import SCOPES, TokenScope
from bot.settings import Settings

GENERATED_NAME = "generated"
"""The name of the token in `.handrail/api-token`."""


class TokenGrant(FrozenModel):
    """Holder and scopes of one token. `person` is None for a program."""

    name: str
    person: str | None
    scopes: tuple[TokenScope, ...]

    @property
    def holder(self) -> str:
        return self.person or "a program"


def list_token_grants(settings: Settings, people: People) -> tuple[TokenGrant, ...]:
    """Return the tokens that a server with these settings accepts, in the order of the setting."""
    if not settings.handrail_api_tokens:
        return (TokenGrant(name=GENERATED_NAME, person="you", scopes=SCOPES),)
    grants = []
    for token in settings.handrail_api_tokens:
        person = people.get(person_address(token.person)) if token.person else None
        scopes = token.granted_scopes(is_admin=person is not None and person.has_role("admin"))
        grants.append(TokenGrant(name=token.name, person=token.person, scopes=scopes))
    return tuple(grants)
