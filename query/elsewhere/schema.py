"""The tables and relations of an index as PostgreSQL keeps them."""

from collections.abc import Iterator
from typing import Final

from blake3 import blake3

from datamon.query.elsewhere.dialects import translated
from datamon.query.index.schema import HIDDEN_BY, KEPT, TABLES, VIEWS, WITH_SYSTEM, Table
from datamon.store.names import RUNS_REPO

_VERSION = 1
_TYPES: Final = {
    "INTEGER": "integer",
    "DATE": "date",
    "VARCHAR": 'text COLLATE "C"',
    "VARCHAR[]": 'text[] COLLATE "C"',
    "BIGINT": "bigint",
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
    "DOUBLE": "double precision",
}
"""Texts compare as in DuckDB: by their bytes, whatever the database's language is."""
_KEYS: Final = {
    "state": "name",
    "journal_events": "event",
    "log_entries": "repo, number",
    "environments": "environment",
    "repos": "id",
    "runs": "id",
}
_SOUGHT: Final = {
    "journal_events": ("run",),
    "bundles": ("id", "run", "repo, content"),
    "deletions": ("bundle", "replaced_by", "repo"),
    "ref_history": ("repo, ref, position, place",),
    "refs": ("new", "repo"),
    "inputs": ("run", "bundle"),
    "outputs": ("run", "bundle"),
    "accesses": ("run",),
    "captures": ("run",),
    "params": ("run", "name"),
    "metrics": ("run",),
    "policies": ("run",),
    "packages": ("environment", "name"),
}


def schemas(name: str) -> tuple[str, str, str]:
    """The schemas that a push to `name` keeps: of the relations, of the stored tables, of the relations with the hidden repo."""
    return name, f"{name}_{KEPT}", f"{name}_{WITH_SYSTEM}"


def statements(name: str) -> list[str]:
    """Every statement that makes the empty tables and the relations over them; nothing of these schemas may exist."""
    made = [f'CREATE SCHEMA "{schema}"' for schema in schemas(name)]
    for table in TABLES:
        made += _table(schemas(name)[1], table)
    for view, select in VIEWS.items():
        made += _views(name, view, select)
    return made


def type_of(kind: str) -> str:
    """PostgreSQL's type for one of DuckDB's by its name."""
    if kind.endswith("[]") and kind not in _TYPES:
        return type_of(kind.removesuffix("[]")) + "[]"
    return _TYPES[kind]


def version(name: str) -> str:
    """Names what `statements` make."""
    return blake3("\n".join([str(_VERSION), *statements(name)]).encode()).hexdigest()[:16]


def _table(schema: str, table: Table) -> Iterator[str]:
    columns = ", ".join(f'"{column}" {type_of(kind)}' for column, kind in table.columns)
    key = f", PRIMARY KEY ({_KEYS[table.name]})" if table.name in _KEYS else ""
    yield f'CREATE TABLE "{schema}"."{table.name}" ({columns}{key})'
    for sought in _SOUGHT.get(table.name, ()):
        yield f'CREATE INDEX ON "{schema}"."{table.name}" ({sought})'


def _views(name: str, view: str, select: str) -> Iterator[str]:
    plain, _, whole = schemas(name)
    yield f'CREATE VIEW "{whole}"."{view}" AS {translated(select, "postgres", schema=name)}'
    shown = f'"{whole}"."{view}"'
    if view == "edges":
        columns = "kind_from, id_from, kind_to, id_to, role, how"
        yield f'CREATE VIEW "{plain}"."edges" AS SELECT {columns} FROM {shown} WHERE repo <> \'{RUNS_REPO}\''
        return
    column = HIDDEN_BY.get(view)
    hidden = f" WHERE {column} <> '{RUNS_REPO}'" if column else ""
    yield f'CREATE VIEW "{plain}"."{view}" AS SELECT * FROM {shown}{hidden}'
