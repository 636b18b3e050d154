"""Trees without some of their paths: which manifests have them, and the manifests that do not any more."""

from collections.abc import Sequence
from dataclasses import fields

from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.columns import TreeColumns
from datamon.store.entries import is_at_or_below
from datamon.store.ids import ManifestId
from datamon.store.manifest import iter_entries, read_manifest, write_root
from datamon.store.roots import Manifest, SegmentRow


class PathCuts:
    """Cuts `paths`, and all that lies below them, out of manifests. Each manifest is looked at once, however often it is asked
    for; of one that is only looked at, only the segments that can hold a path are read. For one thread."""

    def __init__(self, metadata: Backend, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self._metadata = metadata
        self._found: dict[ManifestId, frozenset[str]] = {}
        self._without: dict[tuple[ManifestId, frozenset[str]], Manifest] = {}

    def found_in(self, identity: ManifestId) -> frozenset[str]:
        """Those of the paths at which the tree has something. Raises Corrupt."""
        if identity not in self._found:
            manifest = read_manifest(self._metadata, identity)
            self._found[identity] = frozenset(
                path for path in self.paths if next(iter_entries(self._metadata, manifest, path), None) is not None
            )
        return self._found[identity]

    def without(self, identity: ManifestId, condemned: frozenset[str]) -> Manifest:
        """The manifest of the tree without the paths, durable when this returns and under no `condemned` key. A directory that
        has nothing left stays, empty. Raises Corrupt."""
        key = identity, condemned
        if key not in self._without:
            manifest = read_manifest(self._metadata, identity)
            segments = _Cutting(self._metadata, self.paths, condemned).segments(manifest)
            self._without[key] = write_root(self._metadata, segments, condemned=condemned)
        return self._without[key]


class _Cutting:
    """One pass over a manifest's segments. What no path can lie in is taken over as it is wherever a new segment would begin with
    it: where cuts fall depends on paths and on where the segment begins, so from there on they fall as they did."""

    def __init__(self, metadata: Backend, paths: tuple[str, ...], condemned: frozenset[str]) -> None:
        # Imported when a manifest is rewritten: it brings pyarrow, which most commands about repos do not need.
        from datamon.store import segments

        self._format = segments
        self._metadata = metadata
        self._paths = paths
        self._condemned = condemned
        self._made: list[SegmentRow] = []
        self._open = TreeColumns()

    def segments(self, manifest: Manifest) -> tuple[SegmentRow, ...]:
        """The segments of the tree without the paths, durable when this returns."""
        for row in manifest.segments:
            if not len(self._open) and not self._is_touched(row) and not self._is_condemned(row):
                self._made.append(row)
            else:
                self._take(row)
                self._close_whole()
        self._write(self._open)
        return tuple(self._made)

    def _is_touched(self, row: SegmentRow) -> bool:
        """Whether one of the paths, or what lies below it, can be in the segment."""
        return any(
            row.first <= path <= row.last or (row.first < path + "0" and row.last > path + "/") for path in self._paths
        )

    def _is_condemned(self, row: SegmentRow) -> bool:
        return layout.segment(row.id) in self._condemned or layout.stat_segment(row.stat) in self._condemned

    def _take(self, row: SegmentRow) -> None:
        for entry in self._format.read_segment(self._metadata, row).entries():
            if not any(is_at_or_below(entry.path, path) for path in self._paths):
                self._open.append(entry)

    def _close_whole(self) -> None:
        """Writes the segments that end within what is open, whatever comes behind it."""
        begin = 0
        while True:
            end = self._format.segment_end([*self._open.path, ""], begin)
            if end > len(self._open):
                break
            self._write(_part(self._open, begin, end))
            begin = end
        self._open = _part(self._open, begin, len(self._open))

    def _write(self, columns: TreeColumns) -> None:
        self._made += self._format.write_segments(self._metadata, columns, self._condemned)


def _part(columns: TreeColumns, begin: int, end: int) -> TreeColumns:
    return TreeColumns(**{each.name: getattr(columns, each.name)[begin:end] for each in fields(columns)})
