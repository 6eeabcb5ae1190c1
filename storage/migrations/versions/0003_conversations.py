"""Link conversations to threads; store a thread's requester and its version when an outbox message was inserted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REQUESTERS = {
    "sqlite": "UPDATE thread SET requester = json_extract(state, '$.requester')",
    "postgresql": "UPDATE thread SET requester = CAST(state AS jsonb) ->> 'requester'",
}


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("channel", sa.String(), primary_key=True),
        sa.Column("place", sa.String(), primary_key=True),
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), nullable=False),
    )
    op.create_index("ix_conversation_thread_id", "conversation", ["thread_id"])
    op.add_column("thread", sa.Column("requester", sa.String(), nullable=True))
    op.execute(_REQUESTERS[op.get_context().dialect.name])
    op.add_column("outbox", sa.Column("version", sa.Integer(), nullable=True))
    op.create_index("thread_by_requester", "thread", ["requester", "created_at"])


def downgrade() -> None:
    op.drop_column("outbox", "version")
    op.drop_index("thread_by_requester", "thread")
    op.drop_column("thread", "requester")
    op.drop_table("conversation")
