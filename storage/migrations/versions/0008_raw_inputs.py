"""Create the table of raw inputs, such as mails, which are stored before they are processed.

Store the address and the time of a message with its conversation key.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_HAS_PENDING_REPLY = sa.text("reply_state = 'pending'")


def upgrade() -> None:
    op.add_column("conversation", sa.Column("address", sa.String(), nullable=True))
    op.add_column("conversation", sa.Column("at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "raw_input",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("group_name", sa.String(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unfinished_attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("reply_key", sa.String(), nullable=True),
        sa.Column("reply_state", sa.String(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("channel", "key", name="raw_input_key"),
        sa.UniqueConstraint("channel", "reply_key", name="raw_input_reply_key"),
    )
    op.create_index("raw_input_by_group", "raw_input", ["channel", "group_name", "received_at"])
    op.create_index("raw_input_by_state", "raw_input", ["state", "received_at"])
    op.create_index(
        "raw_input_by_reply",
        "raw_input",
        ["finished_at"],
        sqlite_where=_HAS_PENDING_REPLY,
        postgresql_where=_HAS_PENDING_REPLY,
    )


def downgrade() -> None:
    op.drop_table("raw_input")
    op.drop_column("conversation", "at")
    op.drop_column("conversation", "address")
