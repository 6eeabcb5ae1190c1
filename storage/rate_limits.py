"""Rate limits shared by all processes: a named resource is blocked until a time."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, select, text

from storage.database.tables import PauseRow, UtcTime

_pause = PauseRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_UPSERT = text(
    "INSERT INTO pause (name, until) VALUES (:name, :until) "
    "ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE pause.until < excluded.until"
).bindparams(bindparam("until", type_=UtcTime))
_SELECT_UNTIL = select(_pause.c.until).where(_pause.c.name == bindparam("name"))


def block_until(connection: Connection, name: str, until: datetime) -> None:
    """Block the resource until then. The latest time counts."""
    connection.execute(_UPSERT, {"name": name, "until": until})


def blocked_until(connection: Connection, name: str) -> datetime | None:
    """Return the end of the latest block, which may be past, or None."""
    return connection.execute(_SELECT_UNTIL, {"name": name}).scalar()
