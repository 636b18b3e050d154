"""What bundles hold, file by file: manifests are read as they are needed, and a segment that several share once."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import duckdb

from datamon.errors import Corrupt
from datamon.store.entries import is_at_or_below
from datamon.store.ids import KSUID_CHARACTERS, ManifestId
from datamon.store.manifest import Manifest, SegmentRow, read_manifest
from datamon.store.opening import Store

MOST_KEPT = 2_000_000
"""So many files of segments that were read are kept in memory; beyond, those read first are read again when they are needed."""


class File(NamedTuple):
    """A content at a path of a repo, in whichever of its bundles. Of a deleted bundle whose manifest is gone it is all that was
    at the path or below it, if anything (the whole bundle: ""), and `content` is the bundle's id."""

    repo: str
    path: str
    content: str

    @property
    def is_gone(self) -> bool:
        """Whether it stands for what a bundle held of which no manifest is left."""
        return len(self.content) == KSUID_CHARACTERS


Wanted = Mapping[str, Collection[str]]
"""Contents by their paths."""


class _Kept(NamedTuple):
    manifest: str | None
    deleted: bool
    stands_in: str | None


class Trees:
    """The files of the bundles of a store. Directories are none of them."""

    def __init__(self, store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        self._store = store
        self._connection = connection
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._repos: set[str] = set()
        self._manifests: dict[str, Manifest] = {}
        self._segments: dict[str, dict[str, str]] = {}
        self._count = 0
        self.gone: set[str] = set()
        """The bundles that were looked at and of which no manifest is left."""

    def files(self, repo: str, bundle: str, part: str = "") -> list[File]:
        """The files of the part of a bundle at a path, and below it."""
        return list(self._held(repo, bundle, None, part))

    def among(self, repo: str, bundle: str, wanted: Wanted) -> list[File]:
        """Those of the wanted files that a bundle holds, by path. Opens only the segments that can hold them."""
        return list(self._held(repo, bundle, wanted, ""))

    def _held(self, repo: str, bundle: str, wanted: Wanted | None, part: str) -> Iterator[File]:
        kept = self._known(repo, bundle)
        try:
            found = self._read(repo, kept, wanted, part)
        except Corrupt:
            if not kept.deleted:
                raise
            found = None
        if found is not None:
            yield from found
            return
        self.gone.add(bundle)
        if wanted is None:
            yield File(repo, part, bundle)
        else:
            yield from (File(repo, path, bundle) for path in sorted(wanted) if bundle in wanted[path])
        if kept.stands_in is not None:
            yield from self._held(repo, kept.stands_in, wanted, part)

    def _read(self, repo: str, kept: _Kept, wanted: Wanted | None, part: str) -> list[File] | None:
        """None for a bundle that no log has, as one that another system told of."""
        if kept.manifest is None:
            return None
        found: list[File] = []
        paths = None if wanted is None else sorted(wanted)
        for row in _holding(self._manifest(kept.manifest), paths):
            files = self._segment(row)
            if wanted is None:
                found += [File(repo, path, content) for path, content in files.items() if is_at_or_below(path, part)]
            elif len(wanted) < len(files):
                found += [File(repo, path, files[path]) for path in paths or () if files.get(path) in wanted[path]]
            else:
                found += [
                    File(repo, path, content) for path, content in files.items() if content in wanted.get(path, ())
                ]
        return found

    def _known(self, repo: str, bundle: str) -> _Kept:
        if repo not in self._repos:
            self._repos.add(repo)
            rows = self._connection.execute(
                """SELECT b.id, b.manifest, b.deleted, d.replaced_by FROM with_system.bundles b
                LEFT JOIN with_system.deletions d ON d.repo = b.repo AND d.bundle = b.id WHERE b.repo = ?""",
                [repo],
            ).fetchall()
            self._kept.update(((repo, identity), _Kept(*row)) for identity, *row in rows)
        return self._kept.get((repo, bundle), _Kept(None, deleted=False, stands_in=None))

    def is_deleted(self, repo: str, bundle: str) -> bool:
        """Whether the bundle was deleted."""
        return self._known(repo, bundle).deleted

    def _manifest(self, manifest: str) -> Manifest:
        if manifest not in self._manifests:
            self._manifests[manifest] = read_manifest(self._store.metadata, ManifestId(manifest))
        return self._manifests[manifest]

    def _segment(self, row: SegmentRow) -> dict[str, str]:
        """Contents by path of the segment's files, in order."""
        files = self._segments.get(row.id)
        if files is None:
            files = _files_of(self._store, row)
            self._segments[row.id] = files
            self._count += len(files)
            while self._count > MOST_KEPT and len(self._segments) > 1:
                self._count -= len(self._segments.pop(next(iter(self._segments))))
        return files


def _files_of(store: Store, row: SegmentRow) -> dict[str, str]:
    from datamon.store.rows import held_entries  # these two bring pyarrow, which only questions about files need
    from datamon.store.segments import read_held

    held = held_entries(read_held(store.metadata, row).batch)
    return {each.path: each.content for each in held if each.kind != "dir"}


def _holding(manifest: Manifest, paths: list[str] | None) -> Iterable[SegmentRow]:
    """The segments between whose first and last path one of these lies; all for None."""
    if paths is None:
        yield from manifest.segments
        return
    at = 0
    for row in manifest.segments:
        while at < len(paths) and paths[at] < row.first:
            at += 1
        if at == len(paths):
            return
        if paths[at] <= row.last:
            yield row
