"""Store what channels sent, who opted out, unknown senders, wrong codes, and the digest mails of pending cards."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


_GROUP_COLUMNS = ("channel", "group_name", "received_at")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("digest_key", sa.String(), nullable=True))
    # `keeps_key`: the key is kept for ever, against repeats; `units`: the price, for SMS in segments
    for name in ("keeps_key", "has_wrong_code"):
        op.add_column("raw_input", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("raw_input_by_group", table_name="raw_input")
    op.create_index("raw_input_by_group", "raw_input", [*_GROUP_COLUMNS, "id", "has_wrong_code"])
    op.create_table(
        "sent_message",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
    )
    op.create_index("sent_message_by_address", "sent_message", ["address", "at"])
    op.create_index("sent_message_by_time", "sent_message", ["at"])
    op.create_table(
        "opted_out",
        sa.Column("address", sa.String(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "unknown_sender",
        sa.Column("address", sa.String(), primary_key=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("outbox", "digest_key")
    for table in ("unknown_sender", "opted_out", "sent_message"):
        op.drop_table(table)
    op.drop_index("raw_input_by_group", table_name="raw_input")
    op.create_index("raw_input_by_group", "raw_input", [*_GROUP_COLUMNS])
    for name in ("has_wrong_code", "keeps_key"):
        op.drop_column("raw_input", name)
