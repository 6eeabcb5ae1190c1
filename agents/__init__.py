"""Core: events, state, policy, models and agents. Imports no other package of Handrail."""
