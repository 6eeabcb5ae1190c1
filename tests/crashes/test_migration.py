"""A migration dies half way: whatever it left, the next one gets to the same end."""

from itertools import count

import pytest
from sqlalchemy import inspect

from storage.database import create_database_engine
from storage.schema import HEAD_REVISION, read_revision
from tests.crashes.database_admin import database_admin
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import requester_and_responder

FEWEST_STATEMENTS = 10
EACH = {False: 1, True: 3}
"""Every statement, and every third where all of them are one transaction."""


def shape(url: str) -> object:
    """The revision of a database, its tables, and their columns and indexes."""
    engine = create_database_engine(url)
    try:
        tables = sorted(inspect(engine).get_table_names())
        columns = {name: sorted(c["name"] for c in inspect(engine).get_columns(name)) for name in tables}
        indexes = {name: sorted(str(i["name"]) for i in inspect(engine).get_indexes(name)) for name in tables}
        return read_revision(engine), columns, indexes
    finally:
        engine.dispose()


@pytest.mark.timeout(300)
def test_next_migration_completes_one_killed_at_any_statement(scenario: CrashScenario) -> None:
    """PostgreSQL takes a migration as a whole or not at all, so nobody ever sees a half of it."""
    whole, nth, shapes = scenario.url, 0, set[str]()
    for nth in count(1, EACH[scenario.has_job_queue]):
        scenario.url = database_admin(whole).create_empty(whole, f"migrated{nth}")
        process = scenario.start_process("migrate", "--kill-point=statement", f"--occurrence={nth}")
        if process.wait() == 0:
            break
        assert process.was_killed
        shapes.add(str(shape(scenario.url)))
        assert scenario.start_process("migrate").wait() == 0
        assert shape(scenario.url) == shape(whole)
    assert nth > FEWEST_STATEMENTS
    assert HEAD_REVISION in str(shape(scenario.url))
    if scenario.has_job_queue:
        assert shapes == {str((None, {}, {})), str(shape(whole))}


def test_process_starts_on_a_half_migrated_database(scenario: CrashScenario) -> None:
    scenario.url = database_admin(scenario.url).create_empty(scenario.url, "half")
    assert scenario.start_process("migrate", "--kill-point=statement", f"--occurrence={FEWEST_STATEMENTS}").wait() != 0
    scenario.start()
    alice, _ = requester_and_responder(scenario)
    alice.start_thread("look 1")
    scenario.wait_until_idle()
    assert len(scenario.take_snapshot().side_effects) == 1
