"""A repo as a mount shows it: `branches/` and `labels/` lead to the bundles that lie in `bundles/`."""

import errno
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from datamon.store.bundle import Bundle, Repo
from datamon.store.mount.bundle_tree import BundleTree
from datamon.store.mount.tree import Attributes, Room, inode
from datamon.store.serving.served_file import ServedFile
from datamon.store.serving.served_tree import Accessed
from datamon.store.tombstones import live_bundles

if TYPE_CHECKING:
    from datamon.store.log import RepoState
    from datamon.store.opening import Store
    from datamon.store.serving.decoded_chunks import DecodedChunks

BRANCHES, LABELS, BUNDLES = "branches", "labels", "bundles"
_TOPS = (BRANCHES, BUNDLES, LABELS)
_KIND_OF = {BRANCHES: "branch", LABELS: "label"}
_FRESH_S = 1.0
"""So old may be what is known of the repo's refs and bundles: programs look up a path many times."""
_TREES_HELD = 64
_DIRECTORY, _LINK = stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


class RepoTree:
    """See `MountedTree`. A ref is a symlink to its bundle, so that whoever has gone there stays in one bundle when the ref moves,
    and whoever goes there again is in the other one. `accessed` gives the listener for a bundle's files."""

    changes = True
    hears_misses = False

    def __init__(
        self,
        store: "Store",
        repo: Repo,
        decoded: "DecodedChunks",
        accessed: Callable[[Bundle], Accessed | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._repo = repo
        self._decoded = decoded
        self._accessed = accessed
        self._lock = threading.Lock()
        self._looked_s = float("-inf")
        self._state: RepoState | None = None
        self._live: dict[str, Bundle] = {}
        self._trees: OrderedDict[str, BundleTree] = OrderedDict()

    def attributes(self, path: str) -> Attributes:
        """See `MountedTree`."""
        top, name, below = _parts(path)
        if not path or (top in _TOPS and not name):
            return self._directory(path)
        if top in _KIND_OF and not below:
            target = self.target(path)
            return Attributes(_LINK, len(target), self._ref_time_ns(top, name), inode(self._repo.id, path))
        if top == BUNDLES:
            found = self._tree(name, path).attributes(below)
            return found._replace(inode=inode(self._repo.id, path))
        raise _missing(path)

    def children(self, path: str, after: str) -> Iterator[tuple[str, Attributes]]:
        """See `MountedTree`."""
        top, name, below = _parts(path)
        if top == BUNDLES and name:
            for child, found in self._tree(name, path).children(below, after):
                yield child, found._replace(inode=inode(self._repo.id, f"{path}/{child}"))
            return
        if top in _KIND_OF and name:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        for child in self._names(top, path):
            if child > after:
                yield child, self.attributes(f"{path}/{child}" if path else child)

    def target(self, path: str) -> str:
        """See `MountedTree`."""
        top, name, below = _parts(path)
        if top in _KIND_OF and name and not below:
            ref = self._known().refs.get(name)
            if ref is not None and ref.kind == _KIND_OF[top]:
                return f"../{BUNDLES}/{ref.bundle}"
            raise _missing(path)
        if top == BUNDLES and below:
            return self._tree(name, path).target(below)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    def open(self, path: str) -> ServedFile:
        """See `MountedTree`."""
        top, name, below = _parts(path)
        if top == BUNDLES and below:
            return self._tree(name, path).open(below)
        self.attributes(path)
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def labels(self, path: str) -> dict[str, bytes]:
        """See `MountedTree`."""
        top, name, below = _parts(path)
        if top == BUNDLES and name:
            return self._tree(name, path).labels(below)
        self.attributes(path)
        return {}

    def room(self) -> Room:
        """See `MountedTree`."""
        self._known()
        bundles = list(self._live.values())
        return Room(sum(bundle.size_bytes for bundle in bundles), sum(bundle.entries for bundle in bundles))

    def _directory(self, path: str) -> Attributes:
        return Attributes(_DIRECTORY, 4096, self._known().time_ns, inode(self._repo.id, path))

    def _names(self, top: str, path: str) -> Sequence[str]:
        if not path:
            return _TOPS
        state = self._known()
        if top == BUNDLES:
            return sorted(self._live)
        if top in _KIND_OF:
            return sorted(name for name, ref in state.refs.items() if ref.kind == _KIND_OF[top])
        raise _missing(path)

    def _ref_time_ns(self, top: str, name: str) -> int:
        ref = self._known().refs.get(name)
        return ref.time_ns if ref is not None and ref.kind == _KIND_OF[top] else 0

    def _known(self) -> "RepoState":
        with self._lock:
            now_s = time.monotonic()
            if self._state is None or now_s - self._looked_s > _FRESH_S:
                state = self._store.logs.repo(self._repo.id)
                if state is not self._state:
                    self._state, self._live = state, {bundle.id: bundle for bundle in live_bundles(state)}
                self._looked_s = now_s
            return self._state

    def _tree(self, name: str, path: str) -> BundleTree:
        self._known()
        with self._lock:
            held = self._trees.get(name)
            bundle = self._live.get(name)
            if held is not None and bundle is not None:
                self._trees.move_to_end(name)
                return held
        if bundle is None:
            raise _missing(path)
        made = BundleTree(self._store, bundle, self._decoded, self._accessed(bundle))
        with self._lock:
            self._trees[name] = made
            while len(self._trees) > _TREES_HELD:
                self._trees.popitem(last=False)
        return made


def _parts(path: str) -> tuple[str, str, str]:
    """The folder at the top, what is named in it, and the rest.

    >>> _parts("bundles/b1/a/b.csv"), _parts("labels")
    (('bundles', 'b1', 'a/b.csv'), ('labels', '', ''))
    """
    top, _, rest = path.partition("/")
    name, _, below = rest.partition("/")
    return top, name, below


def _missing(path: str) -> OSError:
    return OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
