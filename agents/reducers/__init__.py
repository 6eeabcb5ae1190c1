"""What each family of events does to the state; `agents.reducer` puts them together."""
