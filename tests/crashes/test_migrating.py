"""A migration dies half way: whatever it left, the next one gets to the same end."""

from itertools import count

import pytest
from sqlalchemy import inspect

from storage.database import connect
from storage.schema import HEAD, version_of
from tests.crashes.keepers import keeper
from tests.crashes.people import crew_of
from tests.crashes.scene import Scene

FEWEST_STATEMENTS = 10
EACH = {False: 1, True: 3}
"""Every statement, and every third where all of them are one transaction."""


def shape(url: str) -> object:
    """The revision of a database, its tables, and their columns and indexes."""
    engine = connect(url)
    try:
        tables = sorted(inspect(engine).get_table_names())
        columns = {name: sorted(c["name"] for c in inspect(engine).get_columns(name)) for name in tables}
        indexes = {name: sorted(str(i["name"]) for i in inspect(engine).get_indexes(name)) for name in tables}
        return version_of(engine), columns, indexes
    finally:
        engine.dispose()


@pytest.mark.timeout(300)
def test_a_migration_killed_at_any_statement_is_finished_by_the_next(scene: Scene) -> None:
    """PostgreSQL takes a migration as a whole or not at all, so nobody ever sees a half of it."""
    whole, nth, shapes = scene.url, 0, set[str]()
    for nth in count(1, EACH[scene.shared]):
        scene.url = keeper(whole).empty(whole, f"migrated{nth}")
        process = scene.starts("migrate", "--place=statement", f"--nth={nth}")
        if process.ends() == 0:
            break
        assert process.was_killed
        shapes.add(str(shape(scene.url)))
        assert scene.starts("migrate").ends() == 0
        assert shape(scene.url) == shape(whole)
    assert nth > FEWEST_STATEMENTS
    assert HEAD in str(shape(scene.url))
    if scene.shared:
        assert shapes == {str((None, {}, {})), str(shape(whole))}


def test_a_process_that_starts_on_what_a_migration_left_serves(scene: Scene) -> None:
    scene.url = keeper(scene.url).empty(scene.url, "half")
    assert scene.starts("migrate", "--place=statement", f"--nth={FEWEST_STATEMENTS}").ends() != 0
    scene.opens()
    alice, _ = crew_of(scene)
    alice.asks("look 1")
    scene.comes_to_rest()
    assert len(scene.evidence().deeds) == 1
