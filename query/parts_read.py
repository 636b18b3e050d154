"""Which of the files that runs read are others now: of inputs whose reads were wholly observed, and whose refs have moved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import duckdb

from datamon.errors import DatamonError
from datamon.lineage.facts import Part
from datamon.store.bundle import Bundle
from datamon.store.diff import Change, diff_bundles
from datamon.store.ids import BundleId, RepoId
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store


@dataclass
class PartsRead:
    """By (run, role) the parts that a run read and that its ref does not give as they were, and the paths that it looked for and
    that are there now; and the contents of all these now, by (bundle, path). An input that is not in `parts` is judged by the
    part that was declared."""

    parts: dict[tuple[str, str], tuple[Part, ...]] = field(default_factory=dict)
    absent: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    contents: dict[tuple[str, str], str] = field(default_factory=dict)


def parts_read(store: Store, connection: duckdb.DuckDBPyConnection, runs: Sequence[str]) -> PartsRead:
    """Of these runs. Two manifests are compared for each pair of what was read and what is there now; where one cannot be read,
    the input is left out."""
    found = PartsRead()
    rows = connection.execute(
        """SELECT i.run, i.role, i.path, i.repo, i.bundle, h.new,
            list(a.path) FILTER (a.kind = 'read'), list(a.path) FILTER (a.kind = 'absent')
        FROM kept.inputs i JOIN kept.refs h ON h.repo = i.repo AND h.ref = i.ref
        LEFT JOIN kept.accesses a ON a.run = i.run AND a.role = i.role
        WHERE i.observed AND i.how IN ('declared', 'observed') AND i.ref_kind IN ('branch', 'label') AND h.new <> i.bundle
            AND i.run IN (SELECT unnest(?::VARCHAR[]))
        GROUP BY ALL ORDER BY i.run, i.role""",
        [list(runs)],
    ).fetchall()

    @cache
    def changes(repo: str, old: str, new: str) -> tuple[Bundle, Bundle, Mapping[str, Change]]:
        bundles = store.logs.repo(RepoId(repo)).bundles
        was, now = bundles[BundleId(old)], bundles[BundleId(new)]
        return was, now, {change.path: change for change in diff_bundles(store, was, now)}

    for run, role, top, repo, old, new, read, absent in rows:
        try:
            was, now, changed = changes(repo, old, new)
            touched = list(_touched(changed, top, read or (), absent or ()))
            before = {path: None if sought else _content(store, was, path) for path, sought in touched}
            contents = {(now.id, path): _content(store, now, path) for path in before}
        except (DatamonError, KeyError):
            continue
        found.parts[run, role] = tuple(Part(path, content) for path, content in before.items() if content is not None)
        found.absent[run, role] = tuple(path for path, content in before.items() if content is None)
        found.contents.update({place: content for place, content in contents.items() if content is not None})
    return found


def _touched(
    changed: Mapping[str, Change], top: str, read: Sequence[str], absent: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """The paths in the bundle of which something changed, each with whether it was only looked for."""
    listed = {_below(top, path.rstrip("/")) for path in read if path.endswith("/")}
    opened = {_below(top, path) for path in read if not path.endswith("/")}
    sought = {_below(top, path) for path in absent}
    seen: set[str] = set()
    for path in changed:
        above = [path[:cut] for cut, letter in enumerate(path) if letter == "/"]
        whole = next((each for each in ("", *above, path) if each in listed), None)
        met = [path] if path in opened else [each for each in (*above, path) if each in sought][:1]
        for place in [whole] if whole is not None else met:
            if place not in seen:
                seen.add(place)
                yield place, place in sought and place not in opened and whole is None


def _below(top: str, path: str) -> str:
    return f"{top}/{path}".strip("/")


def _content(store: Store, bundle: Bundle, path: str) -> str | None:
    """The content of a part; None when it is not there."""
    try:
        return part_content(store.metadata, read_manifest(store.metadata, bundle.manifest), path)
    except DatamonError as error:
        if error.code == "path-not-found":
            return None
        raise
