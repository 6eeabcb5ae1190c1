"""What `handrail.toml` may say, table by table, and where in the file each thing stands."""
