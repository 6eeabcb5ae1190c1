"""A migration killed half way is completed by the next one."""

from itertools import count

import pytest
from sqlalchemy import inspect

from storage.database.database import create_database_engine
from storage.database.schema import HEAD_REVISION, read_revision
from tests.crashes.database_admin import database_admin
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import requester_and_responder
from tests.slow_cases import slow

MIN_STATEMENT_COUNT = 10


def read_schema(url: str) -> object:
    """Return the revision of a database, its tables, and their columns and indexes."""
    engine = create_database_engine(url)
    try:
        tables = sorted(inspect(engine).get_table_names())
        columns = {name: sorted(c["name"] for c in inspect(engine).get_columns(name)) for name in tables}
        indexes = {name: sorted(str(i["name"]) for i in inspect(engine).get_indexes(name)) for name in tables}
        return read_revision(engine), columns, indexes
    finally:
        engine.dispose()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kill_step", [9, pytest.param(1, marks=slow)])
def test_next_migration_completes_one_killed_at_any_statement(kill_step: int, scenario: CrashScenario) -> None:
    """On PostgreSQL the migration is one transaction, so a killed one leaves either nothing or everything."""
    complete_url, occurrence, schemas_after_kill = scenario.url, 0, set[str]()
    for occurrence in count(1, kill_step):
        scenario.url = database_admin(complete_url).create_empty(complete_url, f"migrated{occurrence}")
        process = scenario.start_process("migrate", "--kill-point=statement", f"--occurrence={occurrence}")
        if process.wait() == 0:
            break
        assert process.was_killed
        schemas_after_kill.add(str(read_schema(scenario.url)))
        assert scenario.start_process("migrate").wait() == 0
        assert read_schema(scenario.url) == read_schema(complete_url)
    assert occurrence > MIN_STATEMENT_COUNT
    assert HEAD_REVISION in str(read_schema(scenario.url))
    if scenario.has_job_queue:
        assert schemas_after_kill <= {str((None, {}, {})), str(read_schema(complete_url))}
        assert len(schemas_after_kill) == 2 or kill_step > 1


def test_process_starts_on_a_half_migrated_database(scenario: CrashScenario) -> None:
    scenario.url = database_admin(scenario.url).create_empty(scenario.url, "half")
    assert (
        scenario.start_process("migrate", "--kill-point=statement", f"--occurrence={MIN_STATEMENT_COUNT}").wait() != 0
    )
    scenario.start()
    alice, _ = requester_and_responder(scenario)
    alice.start_thread("look 1")
    scenario.wait_until_idle()
    assert len(scenario.take_snapshot().side_effects) == 1
