"""What each token of the API lets its holder do, for people who look after them. No secret is in it."""

from agents.addresses import person_address
from agents.frozen import FrozenModel
from agents.people import People
from bot.environment.api_tokens import SCOPES, TokenScope
from bot.settings import Settings

GENERATED_NAME = "generated"
"""The name of the token in `.handrail/api-token`."""


class TokenGrant(FrozenModel):
    """One token by its name. `person` is None for a program."""

    name: str
    person: str | None
    scopes: tuple[TokenScope, ...]

    @property
    def holder(self) -> str:
        return self.person or "a program"


def list_token_grants(settings: Settings, people: People) -> tuple[TokenGrant, ...]:
    """Return the tokens a server with these settings lets in, in their order."""
    if not settings.handrail_api_tokens:
        return (TokenGrant(name=GENERATED_NAME, person="you", scopes=SCOPES),)
    grants = []
    for token in settings.handrail_api_tokens:
        who = people.get(person_address(token.person)) if token.person else None
        scopes = token.granted_scopes(is_admin=who is not None and who.has_role("admin"))
        grants.append(TokenGrant(name=token.name, person=token.person, scopes=scopes))
    return tuple(grants)
