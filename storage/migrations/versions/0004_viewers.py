"""Create and fill the table of names that may see a thread: authors of its messages, and deciders of its requests."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# `words` is the text or the changed arguments of an answer: only an answer with words makes its author a requester.
_VIEWERS = """
INSERT INTO thread_viewer (thread_id, name)
SELECT thread_id, actor FROM event
 WHERE type IN ('ThreadStarted', 'ThreadForked', 'MessageReceived', 'MessageEdited')
UNION SELECT thread_id, {entered_by} FROM event WHERE {entered_by} IS NOT NULL
UNION SELECT thread_id, {answered_by} FROM event WHERE type = 'RequestAnswered' AND ({words}) IS NOT NULL
UNION SELECT thread_id, {answer_entered_by} FROM event
 WHERE type = 'RequestAnswered' AND ({words}) IS NOT NULL AND {answer_entered_by} IS NOT NULL
UNION SELECT id, requester FROM thread WHERE requester IS NOT NULL
UNION SELECT id, {origin} FROM thread
UNION {roles}
UNION {people}
"""
_PARTS = {
    "sqlite": {
        "origin": "json_extract(state, '$.origin')",
        "entered_by": "json_extract(data, '$.entered_by')",
        "answered_by": "json_extract(data, '$.answer.by')",
        "answer_entered_by": "json_extract(data, '$.answer.entered_by')",
        "words": "coalesce(nullif(json_extract(data, '$.answer.text'), ''), "
        "nullif(json_extract(data, '$.answer.comment'), ''), json_extract(data, '$.arguments'))",
        "roles": "SELECT thread_id, 'role:' || r.value FROM request, json_each(data, '$.policy.ask.roles') AS r",
        "people": "SELECT thread_id, 'person:' || p.value FROM request, json_each(data, '$.policy.ask.people') AS p",
    },
    "postgresql": {
        "origin": "CAST(state AS jsonb) ->> 'origin'",
        "entered_by": "CAST(data AS jsonb) ->> 'entered_by'",
        "answered_by": "CAST(data AS jsonb) #>> '{answer,by}'",
        "answer_entered_by": "CAST(data AS jsonb) #>> '{answer,entered_by}'",
        "words": "coalesce(nullif(CAST(data AS jsonb) #>> '{answer,text}', ''), "
        "nullif(CAST(data AS jsonb) #>> '{answer,comment}', ''), CAST(data AS jsonb) ->> 'arguments')",
        "roles": "SELECT thread_id, 'role:' || r FROM request, "
        "jsonb_array_elements_text(CAST(data AS jsonb) #> '{policy,ask,roles}') AS r",
        "people": "SELECT thread_id, 'person:' || p FROM request, "
        "jsonb_array_elements_text(CAST(data AS jsonb) #> '{policy,ask,people}') AS p",
    },
}
_RESET_STATES = {
    "sqlite": "UPDATE thread SET state = json_object('thread_id', id)",
    "postgresql": "UPDATE thread SET state = CAST(json_build_object('thread_id', id) AS text)",
}


def upgrade() -> None:
    """Fill the table. States are reset, so that loading folds them again from the log with their new fields."""
    op.create_table(
        "thread_viewer",
        sa.Column("thread_id", sa.String(), sa.ForeignKey("thread.id"), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
    )
    op.create_index("thread_viewer_by_name", "thread_viewer", ["name", "thread_id"])
    op.create_index("request_by_age", "request", ["opened_at", "id"])
    dialect = op.get_context().dialect.name
    op.get_bind().exec_driver_sql(_VIEWERS.format(**_PARTS[dialect]))
    op.get_bind().exec_driver_sql(_RESET_STATES[dialect])


def downgrade() -> None:
    op.drop_index("request_by_age", "request")
    op.drop_table("thread_viewer")
