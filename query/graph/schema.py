"""What the graph's file keeps, as SQLite tables: what runs read and wrote, by dense numbers, and what walks print of it."""

VERSION = "4"
"""A file of another version is thrown away and made again."""

STATEMENTS = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE tips (log TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID",
    # The rows about whose neighbours the arrays that `state` names are no longer right.
    "CREATE TABLE touched (kind TEXT, n INTEGER, PRIMARY KEY (kind, n)) WITHOUT ROWID",
    # As they were read: what is derived from them can change with the next record.
    "CREATE TABLE repo_records (number INTEGER PRIMARY KEY, record TEXT)",
    "CREATE TABLE waiting (event TEXT PRIMARY KEY, run TEXT, record TEXT) WITHOUT ROWID",
    "CREATE INDEX waiting_run ON waiting (run)",
    "CREATE TABLE repos (id TEXT PRIMARY KEY, shown TEXT, deleted INTEGER, deleted_by TEXT, reason TEXT) WITHOUT ROWID",
    "CREATE TABLE steps (n INTEGER PRIMARY KEY, pipeline TEXT, step TEXT, UNIQUE (pipeline, step))",
    # A run without step is named by others, and not told of itself. `opened` and `closed` say which records counted.
    """CREATE TABLE runs (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, step INTEGER, status TEXT, started INTEGER,
        ended INTEGER, author TEXT, code TEXT, opened TEXT, closed TEXT)""",
    "CREATE INDEX runs_step ON runs (step)",
    "CREATE INDEX runs_end ON runs (substr(id, -4))",
    # A bundle without repo is named by a run, and not in a log that was read.
    """CREATE TABLE bundles (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, repo TEXT, position INTEGER, content TEXT,
        author TEXT, time INTEGER, run INTEGER, role TEXT)""",
    "CREATE INDEX bundles_end ON bundles (substr(id, -4))",
    "CREATE INDEX bundles_run ON bundles (run) WHERE run IS NOT NULL",
    """CREATE TABLE inputs (run INTEGER, place INTEGER, bundle INTEGER, role TEXT, how TEXT, hidden INTEGER,
        PRIMARY KEY (run, place)) WITHOUT ROWID""",
    "CREATE INDEX inputs_bundle ON inputs (bundle)",
    """CREATE TABLE outputs (run INTEGER, place INTEGER, bundle INTEGER, role TEXT, repo TEXT, repo_name TEXT, branch TEXT,
        content TEXT, hidden INTEGER, PRIMARY KEY (run, place)) WITHOUT ROWID""",
    "CREATE INDEX outputs_bundle ON outputs (bundle)",
    "CREATE INDEX outputs_content ON outputs (content)",
    "CREATE INDEX bundles_content ON bundles (content) WHERE run IS NOT NULL",
    """CREATE TABLE deletions (repo TEXT, bundle TEXT, position INTEGER, time INTEGER, author TEXT, reason TEXT,
        replaced_by TEXT)""",
    "CREATE INDEX deletions_bundle ON deletions (bundle)",
    "CREATE INDEX deletions_replaced_by ON deletions (replaced_by)",
    "CREATE TABLE refs (repo TEXT, ref TEXT, kind TEXT, bundle TEXT, PRIMARY KEY (repo, ref)) WITHOUT ROWID",
    "CREATE INDEX refs_bundle ON refs (bundle)",
)
