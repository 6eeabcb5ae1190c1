"""Store events in a table with a rowid on SQLite.

In a table without rowid a row of more than 1 kB takes an overflow page of 4 kB, as most requests do.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = "thread_id, seq, type, v, at, actor, data"
_CREATE_TABLE = """
CREATE TABLE event_anew (
    thread_id VARCHAR NOT NULL,
    seq INTEGER NOT NULL,
    type VARCHAR NOT NULL,
    v INTEGER NOT NULL,
    at DATETIME NOT NULL,
    actor VARCHAR NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (thread_id, seq),
    FOREIGN KEY (thread_id) REFERENCES thread (id)
)
"""


def upgrade() -> None:
    _copy("")


def downgrade() -> None:
    _copy("WITHOUT ROWID")


def _copy(options: str) -> None:
    """Copy all events to a table with these options. The file keeps the space of the old table for reuse."""
    if op.get_context().dialect.name != "sqlite":
        return
    for statement in (
        _CREATE_TABLE + options,
        f"INSERT INTO event_anew ({_COLUMNS}) SELECT {_COLUMNS} FROM event ORDER BY thread_id, seq",  # noqa: S608 - constant column names
        "DROP TABLE event",
        "ALTER TABLE event_anew RENAME TO event",
    ):
        op.get_bind().exec_driver_sql(statement)
