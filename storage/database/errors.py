"""Translation of database errors to StoreUnavailable with a text that says what to do."""

import re

from sqlalchemy import exc

from agents.core.errors import StoreUnavailable

_UNAVAILABLE_MESSAGE = "the database does not answer: check that it is running and that DATABASE_URL is right"
_REJECTED_MESSAGE = "the database, or the pooler in front of it, refused: {driver_message}"
_POOLER_HINT = "set DATABASE_URL to the database itself, or to a pooler in session mode that passes options on"
_SEVERITY_PREFIX = re.compile(r"\b(?:FATAL|ERROR): +")
MAX_DRIVER_MESSAGE_LENGTH = 200
_SQLITE_MESSAGES = (
    (r"readonly|read-only", "the database is read-only: give this user the right to write the file and its folder"),
    (r"locked|busy", "the database is locked by another program: close it and try again"),
    (r"full", "the disk is full: free some space; Handrail then continues automatically"),
    (r"unable to open", "the database file cannot be opened: check that its folder exists and may be written"),
    (
        r"not a database|malformed",
        "the file is not a healthy SQLite database: restore a backup or set another DATABASE_URL",
    ),
)
_POSTGRES_MESSAGES = (
    (r"read-only transaction", "the database is read-only, perhaps a standby: set DATABASE_URL to the primary"),
    (r"password authentication|no password supplied", "the database refuses the password: check DATABASE_URL"),
    (r"role .* does not exist", "the database does not know this user: check DATABASE_URL"),
    (r"database .* does not exist", "there is no such database: create it, or check DATABASE_URL"),
    (r"permission denied", "the database user may not do this: grant it the rights on the schema"),
    (r"too many clients|remaining connection slots", "the database has no connection left: raise max_connections"),
    (r"No space left|disk full", "the database's disk is full: free some space; Handrail then continues automatically"),
    (r"statement timeout|lock timeout|deadlock", "the database is too busy: try again in a moment"),
    (
        r'invalid connection option|invalid \w+ value: "|invalid URI',
        "DATABASE_URL has an invalid option: check it",
    ),
    (r"connection closed: the server did not answer", _UNAVAILABLE_MESSAGE),
    (r"terminating connection|starting up|recovery mode|shutting down", _UNAVAILABLE_MESSAGE),
    (r"unsupported startup parameter|prepared statement .* exist", f"{_REJECTED_MESSAGE}; {_POOLER_HINT}"),
    (r"\b(?:FATAL|ERROR): ", _REJECTED_MESSAGE),
    (r"connection|failed to resolve host|server closed|terminating|timeout expired", _UNAVAILABLE_MESSAGE),
)


def to_store_error(error: BaseException) -> BaseException:
    """Return StoreUnavailable for an error of SQLAlchemy, which may wrap the driver's; return others as they are."""
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable("all connections to the database are in use: try again in a moment")
    if not isinstance(error, exc.SQLAlchemyError):
        return error
    driver_error = getattr(error, "orig", None) or error
    text = str(driver_error)
    reasons = _SQLITE_MESSAGES if type(driver_error).__module__.startswith("sqlite3") else _POSTGRES_MESSAGES
    reason = next((message for pattern, message in reasons if re.search(pattern, text, re.IGNORECASE)), None)
    driver_message = (_SEVERITY_PREFIX.split(text)[-1].splitlines() or [""])[0][:MAX_DRIVER_MESSAGE_LENGTH]
    return StoreUnavailable(
        (reason or "the database refused: {driver_message}").replace("{driver_message}", driver_message)
    )
