"""What was listed at a URL goes into the store as a tree of ordinary files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from datamon.store.external.bring import Bringing, bring_all
from datamon.store.external.gather import with_directories
from datamon.store.external.notes import Notes
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.put_tree import StoredTree


@dataclass
class ListedTree:
    """What was listed, to be put into the store as often as a collector makes that necessary."""

    store: Store
    sources: Sources
    notes: Notes
    listed: Sequence[Listed]
    progress: Progress = SILENT
    _is_put: bool = field(default=False, init=False)

    def put(self, condemned: frozenset[str]) -> StoredTree:
        """The tree of all of it, with the directories above that are missing, durable, but not committed; nothing of it relies on
        what is `condemned`. What is noted is not read again, unless this was called before. Raises as `bring_all`."""
        if self._is_put:  # a collector took something away meanwhile
            self.notes.forget()
        self._is_put = True
        self.progress.begin("ingest", len(self.listed), sum(each.at.size_bytes or 0 for each in self.listed))
        bringing = Bringing(self.store, self.sources, self.notes, condemned, self.progress)
        brought = bring_all(bringing, self.listed)
        self.progress.end()
        manifest = write_manifest(self.store.metadata, with_directories(brought.entries), condemned=condemned)
        return StoredTree(manifest, brought.session, reused=None)
