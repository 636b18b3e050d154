"""What DuckDB reads of records: shapes that its `from_json` takes, and what must hold so that it reads them as Python does.

A shape passes over what it does not name and gives NULL where something has another type. So whatever a record must have is
asked for, and what lacks it is left to Python, which says what is wrong with it."""

import json
from typing import Final

_AUTHOR = {"name": "VARCHAR", "email": "VARCHAR"}
_HOST = {
    "name": "VARCHAR",
    "boot": "VARCHAR",
    "pid": "BIGINT",
    "pid_started": "BIGINT",
    "system": "VARCHAR",
    "machine": "VARCHAR",
    "cpus": "BIGINT",
}
_CODE = {
    "root": "VARCHAR",
    "commit": "VARCHAR",
    "dirty": "VARCHAR",
    "remote": "VARCHAR",
    "fingerprint": "VARCHAR",
    "method": "VARCHAR",
    "paths": ["VARCHAR"],
    "function": "VARCHAR",
}
_INPUT = {
    "role": "VARCHAR",
    "repo": "VARCHAR",
    "repo_name": "VARCHAR",
    "ref": "VARCHAR",
    "ref_kind": "VARCHAR",
    "bundle": "VARCHAR",
    "content": "VARCHAR",
    "path": "VARCHAR",
    "how": "VARCHAR",
    "changed": ["VARCHAR"],
    "read": ["VARCHAR"],
    "absent": ["VARCHAR"],
}
_NEEDED_OF_INPUT = ("role", "repo", "repo_name", "ref_kind", "bundle", "content")
_TOLD_OF_INPUT = (*_NEEDED_OF_INPUT, "path", "how", "changed")
_PLANNED = {"role": "VARCHAR", "repo": "VARCHAR", "repo_name": "VARCHAR", "branch": "VARCHAR"}
_OUTPUT = {**_PLANNED, "bundle": "VARCHAR", "content": "VARCHAR"}
_CAPTURE = {
    "method": "VARCHAR",
    "blind_spots": ["VARCHAR"],
    "undeclared": ["VARCHAR"],
    "undeclared_count": "BIGINT",
    "written": ["VARCHAR"],
    "written_count": "BIGINT",
    "reads": "BIGINT",
    "writes": "BIGINT",
    "absent": "BIGINT",
    "system": "BIGINT",
    "truncated": "BOOLEAN",
    "whole": "BOOLEAN",
}
_MOVE = {"ref": "VARCHAR", "ref_kind": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR", "frozen": "BOOLEAN"}
_BUNDLE = {
    "id": "VARCHAR",
    "manifest": "VARCHAR",
    "content": "VARCHAR",
    "parents": ["VARCHAR"],
    "author": _AUTHOR,
    "time": "BIGINT",
    "message": "VARCHAR",
    "entries": "BIGINT",
    "bytes": "BIGINT",
    "run": "VARCHAR",
    "role": "VARCHAR",
}
_EVENT = {"event": "VARCHAR", "format": "BIGINT", "kind": "VARCHAR", "time": "BIGINT"}

OPENED: Final = json.dumps(
    {
        **_EVENT,
        "run": {
            "id": "VARCHAR",
            "pipeline": "VARCHAR",
            "step": "VARCHAR",
            "parent": "VARCHAR",
            "started": "BIGINT",
            "author": _AUTHOR,
            "host": _HOST,
            "argv": ["VARCHAR"],
            "cwd": "VARCHAR",
            "code": _CODE,
            "params": [{"name": "VARCHAR", "value": "JSON", "source": "VARCHAR", "file": "VARCHAR", "key": "VARCHAR"}],
            "policy": {"env": ["VARCHAR"], "parts": [{"name": "VARCHAR", "value": "VARCHAR"}]},
            "environment": "VARCHAR",
            "inputs": [dict.fromkeys((*_NEEDED_OF_INPUT, "ref"), "VARCHAR")],
            "outputs": [_PLANNED],
            "labels": ["VARCHAR"],
            "how": "VARCHAR",
            "reuse_key": "VARCHAR",
            "level": "VARCHAR",
            "retry_of": "VARCHAR",
            "attempt": "BIGINT",
        },
    }
)
"""A `run-opened`. Its inputs stand in the close too, which counts: here they only must be whole."""
CLOSED: Final = json.dumps(
    {
        **_EVENT,
        "run": "VARCHAR",
        "close": {
            "ended": "BIGINT",
            "status": "VARCHAR",
            "exit_code": "BIGINT",
            "signal": "VARCHAR",
            "error": "VARCHAR",
            "inputs": [_INPUT],
            "outputs": [_OUTPUT],
            "metrics": [{"name": "VARCHAR", "value": "VARCHAR"}],
            "moves": [{"repo": "VARCHAR", "ref": "VARCHAR", "ref_kind": "VARCHAR", "new": "VARCHAR"}],
            "reused": "VARCHAR",
            "capture": _CAPTURE,
        },
    }
)
"""A `run-closed`."""
ENTRY: Final = json.dumps(
    {
        "format": "BIGINT",
        "kind": "VARCHAR",
        "number": "BIGINT",
        "entry": "VARCHAR",
        "time": "BIGINT",
        "author": _AUTHOR,
        "origin": {"time": "BIGINT"},
        "run": "VARCHAR",
        "bundle": _BUNDLE,
        "made": [_BUNDLE],
        "moves": [_MOVE],
        "bundles": ["VARCHAR"],
    }
)
"""An entry of a repo's log."""


def has(record: str, *names: str) -> str:
    """That none of these fields of the struct `record` is missing or null."""
    return " AND ".join(f"{record}.{name} IS NOT NULL" for name in names)


def each_has(several: str, *names: str) -> str:
    """That the list `several` is there, and each struct in it has these fields."""
    lacks = " OR ".join(f"e.{name} IS NULL" for name in names)
    return f"{several} IS NOT NULL AND NOT coalesce(list_bool_or(list_transform({several}, lambda e: {lacks})), false)"


def names_key(body: str, *keys: str) -> str:
    """That these keys, which may be null, stand in the record."""
    return " AND ".join(f"contains({body}, '\"{key}\":')" for key in keys)


def names_refs(body: str, inputs: str, count: str) -> str:
    """That each of these inputs says its ref, which may be null, where `ref` has to stand so often in the record."""
    is_null = f"list_bool_or(list_transform({inputs}, lambda e: e.ref IS NULL))"
    return f"CASE WHEN {is_null} THEN {_stands(body, 'ref')} >= {count} ELSE true END"


def names_old(body: str, moves: str) -> str:
    """That each of these moves says what its ref was, which may be null."""
    return f"CASE WHEN len({moves}) > 0 THEN {_stands(body, 'old')} >= len({moves}) ELSE true END"


def _stands(body: str, key: str) -> str:
    """How often this key stands in the record."""
    return f"(strlen({body}) - strlen(replace({body}, '\"{key}\":', ''))) // {len(key) + 3}"


def not_null(body: str, *keys: str) -> str:
    """That none of these keys, which may be missing, is null anywhere in the record."""
    return " AND ".join(f"NOT contains({body}, '\"{key}\":null')" for key in keys)


OPENED_IS_WHOLE: Final = " AND ".join(
    (
        "r.format = 1 AND r.kind = 'run-opened'",
        has("r", "event", "time"),
        has("r.run", "id", "pipeline", "step", "started", "argv", "cwd", "code", "policy.env", "labels", "how"),
        has("r.run.author", *_AUTHOR),
        has("r.run.host", *_HOST),
        has("r.run.code", "method", "paths"),
        "NOT list_contains(list_transform(r.run.argv, lambda a: a IS NULL), true)",
        each_has("r.run.params", "name", "value", "source"),
        # Lists and mappings have a text of their own in Python's JSON.
        """NOT coalesce(list_bool_or(list_transform(r.run.params, lambda e: left(e.value::VARCHAR, 1) IN ('[', '{'))), false)""",
        each_has("r.run.outputs", *_PLANNED),
        f"(r.run.policy.parts IS NULL OR {each_has('r.run.policy.parts', 'name', 'value')})",
        each_has("r.run.inputs", *_NEEDED_OF_INPUT),
        names_key("body", "parent", "environment"),
        names_refs("body", "r.run.inputs", "len(r.run.inputs)"),
        not_null("body", "parts", "attempt"),
    )
)
CLOSED_IS_WHOLE: Final = " AND ".join(
    (
        "r.format = 1 AND r.kind = 'run-closed'",
        has("r", "event", "time", "run"),
        has("r.close", "ended", "status"),
        each_has("r.close.inputs", *_TOLD_OF_INPUT),
        names_refs("body", "r.close.inputs", "len(r.close.inputs) + len(r.close.moves)"),
        each_has("r.close.outputs", *_OUTPUT),
        each_has("r.close.metrics", "name", "value"),
        "NOT coalesce(list_bool_or(list_transform(r.close.metrics, lambda e: TRY_CAST(e.value AS DOUBLE) IS NULL)), false)",
        each_has("r.close.moves", "repo", "ref", "ref_kind", "new"),
        names_old("body", "r.close.moves"),
        f"(r.close.capture IS NULL OR ({has('r.close.capture', *_CAPTURE)}))",
        names_key("body", "exit_code", "signal", "error", "streams", "resources"),
        not_null("body", "absent", "capture"),
    )
)
_BUNDLE_FIELDS = ("id", "manifest", "content", "parents", "author.name", "author.email", "time", "message", "entries")
ENTRY_IS_WHOLE: Final = " AND ".join(
    (
        "r.format = 1 AND r.number = number AND r.kind IN ('commit', 'move', 'delete')",
        has("r", "entry", "time", "author.name", "author.email"),
        f"(r.kind <> 'commit' OR ({has('r.bundle', *_BUNDLE_FIELDS, 'bytes')}))",
        f"(r.kind = 'delete' AND r.moves IS NULL OR {each_has('r.moves', 'ref', 'ref_kind')})",
        f"(r.kind <> 'delete' OR (len(r.bundles) = 0 AND (r.made IS NULL OR {each_has('r.made', *_BUNDLE_FIELDS, 'bytes')})))",
        """NOT contains(body, '"replaced":') AND NOT contains(body, '\\u')""",
    )
)
