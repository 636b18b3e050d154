"""The runs behind what a reference means, with what a comparison needs of them."""

import duckdb

from datamon.lineage.differences import RunSide
from datamon.lineage.run_sides import run_side
from datamon.query.asking import World
from datamon.query.facts import recorded_runs
from datamon.query.language.references import Target


def run_behind(world: World, target: Target) -> str | None:
    """The run that a target is, or that wrote it; None for what a person brought."""
    return target.id if target.kind == "run" else writer_of(world.connection, target.id)


def writer_of(connection: duckdb.DuckDBPyConnection, bundle: str) -> str | None:
    """The run that wrote this very bundle; None for what a person brought."""
    rows = connection.execute(
        """SELECT o.run FROM with_system.outputs o LEFT JOIN with_system.bundles b ON b.id = o.bundle
        WHERE o.bundle = ? ORDER BY o.run = b.run DESC, o.run LIMIT 1""",
        [bundle],
    ).fetchall()
    return str(rows[0][0]) if rows else None


def side_of(world: World, run: str | None) -> RunSide | None:
    """What is known of a run; None without one, or when its opening is not known."""
    found = next(recorded_runs(world.connection, [run]), None) if run is not None else None
    return run_side(world.store, found) if found is not None else None
