"""Runs of which the opening and the close came, each once and as most look: their rows by SQL, the same that `derive` makes."""

from typing import Final

from datamon.query.index.bulk.shapes import CLOSED, CLOSED_IS_WHOLE, OPENED, OPENED_IS_WHOLE

READ: Final = (
    f"""CREATE OR REPLACE TEMP TABLE opened AS
    SELECT r.event AS event, r.run.id AS run, r.time AS time, coalesce({OPENED_IS_WHOLE}, false) AS whole, r.run AS o, body
    FROM (SELECT body, from_json(body, '{OPENED}') AS r FROM opened_news)""",  # noqa: S608 (all names are ours, here and below)
    f"""CREATE OR REPLACE TEMP TABLE closed AS
    SELECT r.event AS event, r.run AS run, r.time AS time, coalesce({CLOSED_IS_WHOLE}, false) AS whole, r.close AS c, body
    FROM (SELECT body, from_json(body, '{CLOSED}') AS r FROM closed_news)""",  # noqa: S608
    # One of each, and nothing else.
    """CREATE OR REPLACE TEMP TABLE plain AS
    WITH told AS (
        SELECT run, event, whole, 1 AS opens, 0 AS closes FROM opened
        UNION ALL SELECT run, event, whole, 0, 1 FROM closed
        UNION ALL SELECT run, event, false, 0, 0 FROM other_news)
    SELECT run FROM told
    GROUP BY run
    HAVING sum(opens) = 1 AND sum(closes) = 1 AND bool_and(whole)
        AND NOT bool_or(event IN (SELECT t.event FROM told t GROUP BY t.event HAVING count(*) > 1))""",
)
"""Statements that read the Arrow tables `opened_news`, `closed_news` (each of a column `body`) and `other_news` (`run`,
`event`)."""
LEFT: Final = """SELECT body FROM opened WHERE run IS NULL OR run NOT IN (FROM plain)
    UNION ALL SELECT body FROM closed WHERE run IS NULL OR run NOT IN (FROM plain)"""
"""What is left to Python."""

_WORD = "regexp_full_match(a, '[A-Za-z0-9_@%+=:,./-]+')"
_QUOTED = """ '''' || replace(a, '''', '''"''"''') || '''' """
_COMMAND = f"array_to_string(list_transform(o.argv, lambda a: CASE WHEN {_WORD} THEN a ELSE {_QUOTED} END), ' ')"
_CODE = """CASE WHEN o.code.commit <> '' THEN left(o.code.commit, 10) || if(o.code.dirty <> '', '+dirty', '')
    WHEN o.code.fingerprint <> '' THEN left(o.code.fingerprint, 12) END"""
_DONE = "list_transform(c.outputs, lambda e: {'role': e.role, 'repo': e.repo, 'branch': e.branch})"
_IS_DONE = "list_contains(done, {'role': e.role, 'repo': e.repo, 'branch': e.branch})"
_AFTER = "environment, how, level, retry_of, attempt, method, root, paths, function, reuse_key"
# As Python's JSON says it: texts as they are, integers and words too, what has a fraction as its shortest decimal.
_VALUE = """CASE WHEN e.value IS NULL THEN 'null' WHEN left(e.value::VARCHAR, 1) = '"' THEN e.value->>'$'
    WHEN e.value IN ('true', 'false') OR regexp_full_match(e.value, '-?[0-9]+') THEN e.value::VARCHAR
    ELSE TRY_CAST(e.value::VARCHAR AS DOUBLE)::VARCHAR END"""


def _each(several: str, columns: str) -> str:
    """The rows that the structs of a list give, a run's in their order; the list is of the opening `o` or of the close `c`."""
    told = "opened" if several.startswith("o.") else "closed"
    return f"SELECT {columns} FROM (SELECT run, unnest({several}) AS e FROM {told} WHERE run IN (FROM plain))"  # noqa: S608


ROWS: Final[dict[str, str]] = {
    "journal_events": """SELECT event, run, 'run-opened' AS kind, time, body AS record FROM opened WHERE run IN (FROM plain)
        UNION ALL SELECT event, run, 'run-closed', time, body FROM closed WHERE run IN (FROM plain)""",
    # A join copies all that it is given of a struct, so it is given as little as can be.
    "runs": f"""SELECT run, pipeline, step, status, parent, make_timestamp(started // 1000), make_timestamp(ended // 1000),
        (ended - started)::DOUBLE / 1e9, opening.* EXCLUDE (run, pipeline, step, parent, started, {_AFTER}), exit_code, signal,
        error, {_AFTER}, nullif(reused, '')
        FROM (SELECT run, o.pipeline AS pipeline, o.step AS step, nullif(o.parent, '') AS parent, o.started AS started,
            o.author.name AS author, o.author.email AS email, o.host.name AS host, {_COMMAND} AS command, o.cwd AS cwd,
            {_CODE} AS code, o.code.commit AS commit, o.code.dirty AS dirty, o.code.remote AS remote,
            o.code.fingerprint AS fingerprint, o.environment AS environment, o.how AS how, o.level AS level,
            nullif(o.retry_of, '') AS retry_of, coalesce(o.attempt, 1) AS attempt, o.code.method AS method,
            o.code.root AS root, o.code.paths AS paths, o.code.function AS function, o.reuse_key AS reuse_key
            FROM opened WHERE run IN (FROM plain)) opening
        JOIN (SELECT run, c.status AS status, c.ended AS ended, c.exit_code AS exit_code, c.signal AS signal, c.error AS error,
            c.reused AS reused FROM closed) USING (run)""",  # noqa: S608
    "inputs": _each(
        "c.inputs",
        """run, e.role, e.repo, e.repo_name, e.ref, e.ref_kind, e.bundle, e.content, e.path, e.how, e.changed,
        e.read IS NOT NULL""",
    ),
    "outputs": f"""{_each("c.outputs", "run, e.role, e.repo, e.repo_name, e.branch, e.bundle, e.content")}
        UNION ALL SELECT run, e.role, e.repo, e.repo_name, e.branch, NULL, NULL
        FROM (SELECT run, unnest(list_filter(planned, lambda e: NOT {_IS_DONE})) AS e
            FROM (SELECT run, o.outputs AS planned FROM opened WHERE len(o.outputs) > 0 AND run IN (FROM plain))
            JOIN (SELECT run, {_DONE} AS done FROM closed) USING (run))""",  # noqa: S608
    "accesses": " UNION ALL ".join(
        (
            _each("c.inputs", "run, 'read', e.role, unnest(e.read)"),
            _each("c.inputs", "run, 'absent', e.role, unnest(e.absent)"),
            _each("c.capture.undeclared", "run, 'undeclared', NULL, e"),
            _each("c.capture.written", "run, 'written', NULL, e"),
        )
    ),
    "captures": """SELECT run, c.capture.method, c.capture.whole, c.capture.blind_spots, c.capture.reads, c.capture.writes,
        c.capture.absent, c.capture.system, c.capture.undeclared_count, c.capture.written_count, c.capture.truncated
        FROM closed WHERE c.capture IS NOT NULL AND run IN (FROM plain)""",
    "params": _each("o.params", f"run, e.name, {_VALUE}, e.source, e.file, e.key"),
    "metrics": _each("c.metrics", "run, e.name, e.value::DOUBLE"),
    "policies": _each("o.policy.parts", "run, e.name, e.value"),
}
"""The rows of each kept table, in the order of its columns."""
