"""Tables of `handrail.toml`, their validation, and the lines of their keys."""
