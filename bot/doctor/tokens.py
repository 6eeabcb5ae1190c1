"""The tokens of the API: whose they are, and what they let their holders do."""

from agents.addresses import person_address
from agents.people import People
from bot.doctor.finding import Finding
from bot.settings import Settings
from bot.token_grants import list_token_grants


def check_tokens(settings: Settings, people: People) -> Finding:
    """Return one finding for all tokens; none of their secrets is in it."""
    grants = list_token_grants(settings, people)
    told = "; ".join(f"{grant.name} ({grant.holder}): {', '.join(grant.scopes)}" for grant in grants)
    unknown = [g.person for g in grants if g.person is not None and people.get(person_address(g.person)) is None]
    if not unknown:
        return Finding(name="tokens", state="ok", message=told)
    fix = f"add {', '.join(unknown)} to handrail.toml, or change HANDRAIL_API_TOKENS: they may decide nothing as it is"
    return Finding(name="tokens", state="warning", message=told, fix=fix)
