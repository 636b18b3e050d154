"""Of a long history the part that can matter for judging what refs hold now."""

from collections.abc import Collection

import duckdb

RUNS, BUNDLES = "relevant_runs", "relevant_bundles"

_WRITTEN = """
    SELECT o.run, t.pipeline, t.step, o.role, coalesce(r.shown, o.repo_name) AS repo, o.branch, b.position
    FROM kept.outputs o JOIN kept.runs t ON t.id = o.run AND t.status = 'succeeded'
    JOIN kept.bundles b ON b.repo = o.repo AND b.id = o.bundle
    LEFT JOIN kept.repos r ON r.id = o.repo"""
_SLOT = "pipeline, step, role, repo, branch"
_RELEVANT = f"""
    WITH written AS ({_WRITTEN}),
    least AS (
        SELECT {_SLOT}, min(position) AS position FROM written
        WHERE run IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL
    ),
    since AS (SELECT w.* FROM written w JOIN least l USING ({_SLOT}) WHERE w.position >= l.position),
    given AS (
        SELECT run, list((name, value) ORDER BY name, value) AS params FROM kept.params
        WHERE run IN (SELECT run FROM since) GROUP BY run
    ),
    started AS (
        SELECT t.id, t.pipeline, t.step, t.started, o.role, coalesce(r.shown, o.repo_name) AS repo, o.branch
        FROM kept.runs t LEFT JOIN kept.outputs o ON o.run = t.id LEFT JOIN kept.repos r ON r.id = o.repo
    )
    SELECT run FROM since LEFT JOIN given USING (run)
        QUALIFY position = max(position) OVER (PARTITION BY {_SLOT}, params)
    UNION SELECT run FROM since JOIN kept.policies USING (run)
        QUALIFY position = max(position) OVER (PARTITION BY {_SLOT}, name)
    UNION SELECT unnest(?::VARCHAR[])
    UNION SELECT arg_max(id, (started, id)) FROM started GROUP BY {_SLOT}"""  # noqa: S608 (names of ours)
_HELD = """
    SELECT bundle AS id FROM kept.outputs WHERE run IN (FROM relevant_runs) AND bundle IS NOT NULL
    UNION SELECT replaced_by FROM kept.deletions WHERE replaced_by IS NOT NULL
    UNION SELECT unnest(?::VARCHAR[])"""


def find_relevant(connection: duckdb.DuckDBPyConnection, runs: Collection[str], bundles: Collection[str]) -> None:
    """The connection has the temporary tables RUNS (run) and BUNDLES (id): all of which `lineage.staleness` can speak when it
    judges these bundles, whose contents these runs produced.

    Of a slot those are, of the runs that wrote in it since the first of `runs` did, the newest with each set of params (the
    newest of all is among them, and whichever superseded one of `runs`) and with each part of a policy; and the run that
    was started last there, or in its step, whatever became of it.
    """
    wanted = list(runs)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {RUNS} AS {_RELEVANT}", [wanted, wanted])
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {BUNDLES} AS {_HELD}", [list(bundles)])
