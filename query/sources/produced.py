"""WHAT PRODUCED: the runs that wrote some content, the first successful one first."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from datamon.errors import DatamonError
from datamon.query.language.references import Target
from datamon.query.sources import columns_of
from datamon.store.ids import ManifestId
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store

Row = tuple[object, ...]

COLUMNS = columns_of.PRODUCED

if TYPE_CHECKING:
    import duckdb  # only the types: quick answers do without the engine

BUNDLE = [name for name, _ in COLUMNS].index("bundle")

_WROTE = """
    SELECT o.run, r.pipeline, r.step, r.status, r.started, r.ended, r.author, r.code, o.repo, o.bundle, $content, o.role
    FROM with_system.outputs o JOIN with_system.runs r ON r.id = o.run
    LEFT JOIN with_system.bundles b ON b.id = o.bundle AND b.repo = o.repo
    WHERE o.repo = $repo AND o.content IN (SELECT unnest($contents::VARCHAR[]))
    ORDER BY r.status = 'succeeded' DESC, b.position NULLS LAST, r.ended, o.run, o.role"""


def producers(store: Store, connection: "duckdb.DuckDBPyConnection", target: Target) -> list[Row]:
    """A row for each run that put the content of `target` into its repo: the successful ones in the order in which the repo's log
    has what they wrote, so that the first is the producer; then those that did not succeed. For a part of a bundle: the runs
    that wrote a bundle with that content at that path.
    """
    contents = [target.content]
    if target.path:
        contents = list(contents_with_part(store, connection, target))
    given = {"repo": target.repo, "content": target.content, "contents": contents}
    return connection.execute(_WROTE, given).fetchall()


def contents_with_part(store: Store, connection: "duckdb.DuckDBPyConnection", target: Target) -> Iterator[str]:
    """The contents of written bundles that have the target's content at its path. Reads their manifests."""
    written = connection.execute(
        """SELECT b.content, any_value(b.manifest) FROM with_system.bundles b
        WHERE b.repo = $repo AND b.id IN (SELECT bundle FROM with_system.outputs) GROUP BY b.content""",
        {"repo": target.repo},
    ).fetchall()
    for content, manifest in written:
        try:
            part = part_content(store.metadata, read_manifest(store.metadata, ManifestId(manifest)), target.path)
        except DatamonError:  # it has no such path, or its manifest went with its deletion: it is no answer
            continue
        if part == target.content:
            yield content
