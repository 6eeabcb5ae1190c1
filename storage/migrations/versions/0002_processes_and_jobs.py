"""Create the table of processes, and PostgreSQL's job queue."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

from storage.database.tables import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DOWN = """
DROP FUNCTION IF EXISTS
    handrail_defer, handrail_end, handrail_found, handrail_ring, handrail_ring_if_one_waits CASCADE;
DROP TABLE IF EXISTS
    procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers CASCADE;
DO $$
DECLARE one regprocedure;
BEGIN
    FOR one IN SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP FUNCTION %s', one);
    END LOOP;
END $$;
DROP TYPE IF EXISTS procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type;
"""


def upgrade() -> None:
    op.create_table(
        "process",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("queues", sa.String(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "pause",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("until", UtcTime(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _run(SchemaManager.get_schema())
        _run(Path(__file__).with_name("0002_jobs.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _run(_DOWN)
    op.drop_table("pause")
    op.drop_table("process")


def _run(script: str) -> None:
    """Execute a script with the driver's cursor, for which percent signs and colons are not placeholders."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(script)
    cursor.close()
