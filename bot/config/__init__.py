"""Configuration: environment variables, `handrail.toml` and what is built from them."""
