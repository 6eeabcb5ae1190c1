"""Parsing and validation of environment variables and of the `.env` file."""
