"""Reducers of the event families, combined by `agents.reducer`."""
