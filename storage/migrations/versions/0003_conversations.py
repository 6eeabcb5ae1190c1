"""Which thread a place outside belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("channel", sa.String(), primary_key=True),
        sa.Column("place", sa.String(), primary_key=True),
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), nullable=False),
    )
    op.create_index("ix_conversation_thread_id", "conversation", ["thread_id"])


def downgrade() -> None:
    op.drop_table("conversation")
