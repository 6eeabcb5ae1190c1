"""Check of the API tokens: their holders and scopes."""

from agents.addresses import person_address
from agents.people import People
from bot.doctor.finding import Finding
from bot.settings import Settings
from bot.token_grants import list_token_grants


def check_tokens(settings: Settings, people: People) -> Finding:
    """Return one finding for all tokens, without their secrets."""
    grants = list_token_grants(settings, people)
    message = "; ".join(f"{grant.name} ({grant.holder}): {', '.join(grant.scopes)}" for grant in grants)
    unknown = [g.person for g in grants if g.person is not None and people.get(person_address(g.person)) is None]
    if not unknown:
        return Finding(name="tokens", state="ok", message=message)
    fix = f"add {', '.join(unknown)} to handrail.toml, or change HANDRAIL_API_TOKENS: unknown people cannot decide"
    return Finding(name="tokens", state="warning", message=message, fix=fix)
