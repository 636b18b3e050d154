"""The tables that an index file keeps, and the relations that questions read, as SQL."""

from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from datamon.store.names import RUNS_REPO

KEPT: Final = "kept"
"""The schema of the tables as they are stored. Repos stand in them by id; '' is the store's own log."""
WITH_SYSTEM: Final = "with_system"
"""The schema whose views have every relation with the rows of the hidden repo; those of `main` leave these out."""

_VERSION = 1
_PRESSED = " USING COMPRESSION zstd"
"""Texts of records, a tenth of the room that DuckDB takes of itself, and in half of the time."""


@dataclass(frozen=True, slots=True)
class Table:
    """A kept table: its name and its columns, each with its DuckDB type, in order."""

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        return self.sql_in(KEPT)

    def sql_in(self, schema: str) -> str:
        """The statement that makes a table of its columns and name there."""
        columns = ", ".join(f'"{name}" {kind}{_PRESSED if name == "record" else ""}' for name, kind in self.columns)
        return f"CREATE TABLE {schema}.{self.name} ({columns})"


def _table(name: str, columns: str) -> Table:
    pairs = (column.strip().partition(" ") for column in columns.split(","))
    return Table(name, tuple((column, kind) for column, _, kind in pairs))


# What was read, as it was read. Everything below these four is derived from them and can be derived again.
STATE = _table("state", "name VARCHAR, value VARCHAR")
JOURNAL_EVENTS = _table("journal_events", "event VARCHAR, run VARCHAR, kind VARCHAR, time BIGINT, record VARCHAR")
LOG_ENTRIES = _table("log_entries", "repo VARCHAR, number BIGINT, kind VARCHAR, record VARCHAR")
ENVIRONMENTS = _table("environments", "environment VARCHAR, record VARCHAR")
# Intents whose number the log did not hold yet when it was read last, and environments that were not there yet.
WATCH = _table("watch", "repo VARCHAR, number BIGINT")
WANTED = _table("wanted", "environment VARCHAR")

REPOS = _table(
    "repos",
    "id VARCHAR, name VARCHAR, description VARCHAR, author VARCHAR, email VARCHAR, created TIMESTAMP, deleted TIMESTAMP, "
    "deleted_by VARCHAR, deleted_email VARCHAR, reason VARCHAR, shown VARCHAR",
)
BUNDLES = _table(
    "bundles",
    "id VARCHAR, repo VARCHAR, position BIGINT, content VARCHAR, manifest VARCHAR, parents VARCHAR[], author VARCHAR, "
    "email VARCHAR, time TIMESTAMP, message VARCHAR, entries BIGINT, bytes BIGINT, run VARCHAR, role VARCHAR",
)
DELETIONS = _table(
    "deletions",
    "repo VARCHAR, bundle VARCHAR, position BIGINT, time TIMESTAMP, author VARCHAR, email VARCHAR, reason VARCHAR, "
    "replaced_by VARCHAR",
)
REF_HISTORY = _table(
    "ref_history",
    "repo VARCHAR, ref VARCHAR, kind VARCHAR, position BIGINT, place BIGINT, old VARCHAR, new VARCHAR, frozen BOOLEAN, "
    "author VARCHAR, email VARCHAR, time TIMESTAMP, run VARCHAR",
)
REFS = Table("refs", REF_HISTORY.columns)
RUNS = _table(
    "runs",
    "id VARCHAR, pipeline VARCHAR, step VARCHAR, status VARCHAR, parent VARCHAR, started TIMESTAMP, ended TIMESTAMP, "
    "duration_s DOUBLE, author VARCHAR, email VARCHAR, host VARCHAR, command VARCHAR, cwd VARCHAR, code VARCHAR, "
    "git_commit VARCHAR, dirty VARCHAR, remote VARCHAR, fingerprint VARCHAR, exit_code BIGINT, signal VARCHAR, "
    "error VARCHAR, environment VARCHAR, how VARCHAR, level VARCHAR, retry_of VARCHAR, attempt BIGINT, "
    "method VARCHAR, root VARCHAR, paths VARCHAR[], function VARCHAR, reuse_key VARCHAR, reused VARCHAR",
)
INPUTS = _table(
    "inputs",
    "run VARCHAR, role VARCHAR, repo VARCHAR, repo_name VARCHAR, ref VARCHAR, ref_kind VARCHAR, bundle VARCHAR, "
    "content VARCHAR, path VARCHAR, how VARCHAR, changed VARCHAR[], observed BOOLEAN",
)
OUTPUTS = _table(
    "outputs",
    "run VARCHAR, role VARCHAR, repo VARCHAR, repo_name VARCHAR, branch VARCHAR, bundle VARCHAR, content VARCHAR",
)
# Of inputs by their role what was read and looked for; without a role what lies elsewhere.
ACCESSES = _table("accesses", "run VARCHAR, kind VARCHAR, role VARCHAR, path VARCHAR")
CAPTURES = _table(
    "captures",
    "run VARCHAR, method VARCHAR, whole BOOLEAN, blind_spots VARCHAR[], reads BIGINT, writes BIGINT, absent BIGINT, "
    "system BIGINT, undeclared BIGINT, written BIGINT, truncated BOOLEAN",
)
PARAMS = _table("params", "run VARCHAR, name VARCHAR, value VARCHAR, source VARCHAR, file VARCHAR, key VARCHAR")
METRICS = _table("metrics", "run VARCHAR, name VARCHAR, value DOUBLE")
POLICIES = _table("policies", "run VARCHAR, name VARCHAR, value VARCHAR")
REPLAYS = _table(
    "replays",
    "run VARCHAR, replay VARCHAR, started TIMESTAMP, ended TIMESTAMP, verdict VARCHAR, role VARCHAR, repo VARCHAR, "
    "repo_name VARCHAR, branch VARCHAR, result VARCHAR, path VARCHAR, change VARCHAR, old VARCHAR, new VARCHAR, error VARCHAR, "
    "environment VARCHAR, packages BOOLEAN, whole BOOLEAN, host VARCHAR, author VARCHAR",
)
PACKAGES = _table("packages", "environment VARCHAR, name VARCHAR, version VARCHAR")

TABLES: Final = (
    STATE,
    JOURNAL_EVENTS,
    LOG_ENTRIES,
    ENVIRONMENTS,
    WATCH,
    WANTED,
    REPOS,
    BUNDLES,
    DELETIONS,
    REF_HISTORY,
    REFS,
    RUNS,
    INPUTS,
    OUTPUTS,
    ACCESSES,
    CAPTURES,
    PARAMS,
    METRICS,
    POLICIES,
    REPLAYS,
    PACKAGES,
)
OF_A_RUN: Final = (RUNS, INPUTS, OUTPUTS, ACCESSES, CAPTURES, PARAMS, METRICS, POLICIES, REPLAYS)
"""The tables whose rows are derived again when a run has news."""

_HELD = """
    SELECT coalesce(r.shown, t.repo) AS repo, t.ref AS name, t.new AS bundle, b.content, {frozen} t.author, t.time
    FROM kept.refs t LEFT JOIN kept.repos r ON r.id = t.repo
    LEFT JOIN kept.bundles b ON b.repo = t.repo AND b.id = t.new
    WHERE t.kind = '{kind}' AND r.deleted IS NULL"""

VIEWS: Final[dict[str, str]] = {
    "repos": "SELECT id, shown AS name, description, author, email, created, deleted FROM kept.repos",
    "bundles": """
    SELECT t.id, coalesce(r.shown, t.repo) AS repo, t.position, t.content, t.manifest, t.parents, t.author, t.email, t.time,
        t.message, t.entries, t.bytes, t.run, t.role,
        (r.deleted IS NOT NULL OR (t.repo, t.id) IN (SELECT (d.repo, d.bundle) FROM kept.deletions d)) AS deleted
    FROM kept.bundles t LEFT JOIN kept.repos r ON r.id = t.repo""",
    # What went with its repo has no deletion of its own; of several entries that deleted one bundle the first counts.
    "deletions": """
    SELECT coalesce(r.shown, t.repo) AS repo, t.bundle, t.time, t.author, t.email, t.reason, t.replaced_by
    FROM (FROM kept.deletions QUALIFY row_number() OVER (PARTITION BY repo, bundle ORDER BY position) = 1) t
    LEFT JOIN kept.repos r ON r.id = t.repo
    UNION ALL
    SELECT r.shown, b.id, r.deleted, r.deleted_by, r.deleted_email, r.reason, NULL
    FROM kept.bundles b JOIN kept.repos r ON r.id = b.repo
    WHERE r.deleted IS NOT NULL AND (b.repo, b.id) NOT IN (SELECT (d.repo, d.bundle) FROM kept.deletions d)
    UNION ALL
    SELECT shown, NULL, deleted, deleted_by, deleted_email, reason, NULL FROM kept.repos WHERE deleted IS NOT NULL""",
    "labels": _HELD.format(kind="label", frozen="t.frozen,"),
    "branches": _HELD.format(kind="branch", frozen=""),
    "ref_history": """
    SELECT coalesce(r.shown, t.repo) AS repo, t.ref, t.kind, t.position, t.old, t.new, t.frozen, t.author, t.email, t.time,
        t.run
    FROM kept.ref_history t LEFT JOIN kept.repos r ON r.id = t.repo""",
    "runs": """
    SELECT id, pipeline, step, status, parent, started, ended, duration_s, author, email, host, command, cwd, code,
        git_commit, dirty, remote, fingerprint, exit_code, signal, error, environment, how, reuse_key, reused,
        level, retry_of, attempt
    FROM kept.runs""",
    "steps": """
    SELECT pipeline, step, count(*) AS runs, count(*) FILTER (status = 'succeeded') AS succeeded,
        count(*) FILTER (status = 'failed') AS failed, max_by(id, (started, id)) AS last_run,
        max_by(status, (started, id)) AS last_status, max(started) AS last_started
    FROM kept.runs GROUP BY pipeline, step""",
    "inputs": """
    SELECT t.run, t.role, coalesce(r.shown, t.repo_name) AS repo, t.ref, t.ref_kind, t.bundle, t.content, t.path, t.how,
        t.changed
    FROM kept.inputs t LEFT JOIN kept.repos r ON r.id = t.repo""",
    # A bundle whose run has not closed (or was lost) names its run itself, so that it is an output all the same; and so does
    # one that stands in for an output that was deleted.
    "outputs": """
    SELECT t.run, t.role, coalesce(r.shown, t.repo_name) AS repo, t.branch, t.bundle, t.content
    FROM kept.outputs t LEFT JOIN kept.repos r ON r.id = t.repo
    WHERE t.bundle IS NOT NULL
    UNION ALL
    SELECT t.run, t.role, coalesce(r.shown, t.repo) AS repo, p.branch, t.id AS bundle, t.content
    FROM kept.bundles t LEFT JOIN kept.repos r ON r.id = t.repo
    LEFT JOIN (SELECT run, role, repo, min(branch) AS branch FROM kept.outputs GROUP BY run, role, repo) p
        ON p.run = t.run AND p.role = t.role AND p.repo = t.repo
    WHERE t.run IS NOT NULL
        AND (t.run, t.id) NOT IN (SELECT (o.run, o.bundle) FROM kept.outputs o WHERE o.bundle IS NOT NULL)""",
    "accesses": "SELECT run, kind, role, path FROM kept.accesses",
    "captures": """
    SELECT run, method, whole, blind_spots, reads, writes, absent, system, undeclared, written, truncated
    FROM kept.captures""",
    "params": "SELECT run, name, value, source, file, key FROM kept.params",
    "metrics": "SELECT run, name, value FROM kept.metrics",
    "replays": """
    SELECT t.run, t.replay, t.started, t.ended, t.verdict, t.role, coalesce(r.shown, t.repo_name) AS repo, t.branch, t.result,
        t.path, t.change, t.old, t.new, t.error, t.environment, t.packages, t.whole, t.host, t.author
    FROM kept.replays t LEFT JOIN kept.repos r ON r.id = t.repo""",
    "env": """
    SELECT t.id AS run, p.name, p.version
    FROM kept.runs t JOIN kept.packages p ON p.environment = t.environment""",
    "code": """
    SELECT id AS run, method, git_commit, dirty, fingerprint, root, paths, function FROM kept.runs""",
    "edges": """
    SELECT 'bundle' AS kind_from, bundle AS id_from, 'run' AS kind_to, run AS id_to, role, how, repo
    FROM with_system.inputs
    UNION ALL
    SELECT 'run', run, 'bundle', bundle, role, 'declared', repo
    FROM with_system.outputs""",
}
"""Each relation's SELECT over the kept tables, with the rows of the hidden repo."""

HIDDEN_BY: Final[dict[str, str]] = {"repos": "name"} | dict.fromkeys(
    ("bundles", "deletions", "labels", "branches", "ref_history", "inputs", "outputs", "edges"), "repo"
)


def statements() -> list[str]:
    """Every statement that makes an empty index: schemas, kept tables, and each relation's two views."""
    return [f"CREATE SCHEMA {KEPT}", f"CREATE SCHEMA {WITH_SYSTEM}", *(table.sql for table in TABLES), *relations()]


def relations(about: str | None = None) -> list[str]:
    """Every statement that makes the two views of each relation, of those at least that the SELECT `about` names (None: all):
    each takes half a millisecond."""
    named = VIEWS.keys() if about is None else _named(about.lower())
    made: list[str] = []
    for name, select in VIEWS.items():
        if name not in named:
            continue
        made += [f"CREATE VIEW {WITH_SYSTEM}.{name} AS {select}", _plain_view(name)]
    return made


def _named(text: str) -> set[str]:
    """The relations whose names stand in the text, and those that they are made of."""
    named: set[str] = set()
    unread = [text]
    while unread:
        text = unread.pop()
        new = {name for name in VIEWS if name in text} - named
        named |= new
        unread += [VIEWS[name] for name in new]
    return named


def _plain_view(name: str) -> str:
    column = HIDDEN_BY.get(name)
    hidden = f" WHERE {column} <> '{RUNS_REPO}'" if column else ""
    columns = "* EXCLUDE (repo)" if name == "edges" else "*"
    return f"CREATE VIEW main.{name} AS SELECT {columns} FROM {WITH_SYSTEM}.{name}{hidden}"  # noqa: S608


def version() -> str:
    """Names this schema: an index file of another version is thrown away and built again."""
    return blake3("\n".join([str(_VERSION), *statements()]).encode()).hexdigest()[:16]
