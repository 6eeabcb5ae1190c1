"""Create the tables of threads, events, requests, outbox and inbox."""

import sqlalchemy as sa
from alembic import op

from storage.database.tables import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_HAS_WAKE_TIME = sa.text("wake_at IS NOT NULL")
_IS_UNFINISHED = sa.text("unfinished")


def upgrade() -> None:
    op.create_table(
        "thread",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
    )
    op.create_index("thread_by_status", "thread", ["status", "created_at"])
    op.create_index(
        "thread_by_wake", "thread", ["wake_at"], sqlite_where=_HAS_WAKE_TIME, postgresql_where=_HAS_WAKE_TIME
    )
    op.create_index("thread_unfinished", "thread", ["id"], sqlite_where=_IS_UNFINISHED, postgresql_where=_IS_UNFINISHED)
    op.create_index("thread_by_age", "thread", ["created_at", "id"])
    op.create_table(
        "event",
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("v", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "request",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False, unique=True),
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_index("ix_request_thread_id", "request", ["thread_id"])
    op.create_index("request_by_status", "request", ["status", "opened_at"])
    op.create_table(
        "outbox",
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
    )
    op.create_index("outbox_by_age", "outbox", ["created_at"])
    op.create_table(
        "inbox",
        sa.Column("channel", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("thread_id", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
    )
    op.create_index("ix_inbox_thread_id", "inbox", ["thread_id"])


def downgrade() -> None:
    for table in ("inbox", "outbox", "request", "event", "thread"):
        op.drop_table(table)
