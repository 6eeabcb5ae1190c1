"""The model that needs no account: commands of an agent, matched against what people write."""
