"""Models that choose the next step: the prompt, the schema of the answer, and the providers."""
