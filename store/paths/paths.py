"""The files of a store by address: looked up, listed, opened; and written, each write to where it belongs."""

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import NamedTuple

from datamon.errors import Invalid, NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import check_targets
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.ids import BundleId, RunId
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.paths.address import Address
from datamon.store.paths.commit_staged import Purpose, commit_staged
from datamon.store.paths.staged import Staged, is_removed
from datamon.store.paths.surroundings import Surroundings
from datamon.store.repos import check_text, find_repo, list_repos
from datamon.store.resolve import Reference, Resolved, resolve
from datamon.store.serving.decoded_chunks import DecodedChunks
from datamon.store.serving.served_file import ServedFile
from datamon.store.serving.served_tree import ServedTree

_TREES = 16
_PINS = 1_000
_RECENT_NS = 10**9
_joining: ContextVar[tuple[str, "Changes"] | None] = ContextVar("datamon_joining", default=None)
"""The changes that writes in this context (thread or task) are part of, with their store's id."""


class Changes:
    """Writes that become bundles together, one for each branch, when `Paths.commit` is asked for. `message` is theirs."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message
        self.bundles: list[Bundle] = []
        self.staged: dict[tuple[str, str], Staged] = {}
        self._lock = threading.Lock()
        self._before: tuple[str, Changes] | None = None

    def of(self, paths: "Paths", repo: Repo, branch: str) -> Staged:
        """What is changed on this branch."""
        with self._lock:
            key = (repo.id, branch)
            if key not in self.staged:
                self.staged[key] = Staged(paths.surroundings.new_directory(), repo, branch)
            return self.staged[key]

    def begin(self, store: Store) -> None:
        """From now on writes to the store are part of these, in this context and in what is started in it."""
        self._before = _joining.get()
        _joining.set((store.id, self))

    def end(self) -> None:
        """As it was before `begin`, if that was called."""
        joining = _joining.get()
        if joining is not None and joining[1] is self:
            _joining.set(self._before)

    def find(self, repo: str, branch: str) -> Staged | None:
        """The same, if there is anything."""
        with self._lock:
            return next(
                (each for each in self.staged.values() if (each.repo.name, each.branch) == (repo, branch)), None
            )

    def drop(self) -> None:
        """Nothing is changed any more, and what was staged is gone from the disk."""
        with self._lock:
            for each in self.staged.values():
                shutil.rmtree(each.directory, ignore_errors=True)
            self.staged.clear()


class Writing(NamedTuple):
    """Where a write goes, and what is to be committed when it has ended; nothing when something else's end does that."""

    staged: Staged
    alone: Changes | None


@dataclass(frozen=True, slots=True)
class _Layers:
    """What is seen at an address: a bundle's tree, below what was written and is not committed yet, the newest first. A branch to
    which nothing was committed yet has no tree."""

    tree: ServedTree | None
    staged: Sequence[Staged]

    def peek(self, path: str) -> TreeEntry | None:
        """What is at the path itself; nobody is told."""
        for staged in self.staged:
            found = staged.entry(path)
            if found is not None:
                return found
            if staged.hides(path):
                return None
        return None if self.tree is None else self.tree.peek(path)


class Paths:
    """The files of one store. Any thread may ask. Inside a run a reference means what it meant when the run first used it. Where
    `changes` are not given, those count that were begun around the caller."""

    def __init__(self, store: Store, surroundings: Surroundings, decoded: DecodedChunks | None = None) -> None:
        self.store = store
        self.surroundings = surroundings
        self.decoded = decoded or DecodedChunks(store.chunks)
        self._trees: OrderedDict[tuple[BundleId, RunId | None, str | None], ServedTree] = OrderedDict()
        self._pins: OrderedDict[tuple[RunId, Reference], Resolved] = OrderedDict()
        self._recent: dict[Reference, tuple[int, Resolved]] = {}
        self._lock = threading.Lock()

    def entry(self, address: Address, changes: Changes | None = None) -> TreeEntry | None:
        """What is at the address, symlinks followed, with the address's path; None when the bundle has nothing there. What was
        written before in `changes`, or in the run that the caller is inside, is seen.

        Raises NotFound (`repo-not-found`, `ref-not-found`, `bundle-not-found`), Invalid, Corrupt, Denied, Unavailable.
        """
        if not address.repo:
            return _directory("", 0)
        if address.ref == "":
            return _directory("", find_repo(self.store, address.repo).created_ns)
        layers = self._layers(address, changes)
        if not address.path:
            return _directory("", 0) if layers.tree is None else layers.tree.entry("")
        for staged in layers.staged:
            found = staged.entry(address.path)
            if found is not None:
                return found
            if staged.hides(address.path):
                return None
        found = None if layers.tree is None else layers.tree.followed(address.path)
        return None if found is None else replace(found, path=address.path)

    def children(self, address: Address, changes: Changes | None = None) -> Iterator[TreeEntry]:
        """What is directly in the directory at the address, in the order of the names, symlinks as symlinks; of the store its
        repos, of `repo@` its refs, each as a directory. Raises as `entry`."""
        if not address.repo:
            yield from (_directory(repo.name, repo.created_ns) for repo in list_repos(self.store))
            return
        if address.ref == "":
            repo = find_repo(self.store, address.repo)
            refs = self.store.logs.repo(repo.id).refs
            yield from (_directory(f"{repo.name}@{name}", refs[name].time_ns) for name in sorted(refs))
            return
        layers = self._layers(address, changes)
        if layers.tree is not None and not layers.staged:
            at = layers.tree.followed(address.path)
            if at is not None and at.kind == "dir":
                layers.tree.note_listed(at.path)
            found = layers.tree.children(at.path) if at is not None else iter(())
            yield from (replace(each, path=_moved(each.path, at, address.path)) for each in found if at is not None)
            return
        below: dict[str, TreeEntry] = {}
        if layers.tree is not None:
            layers.tree.note_listed(address.path)
            below = {each.path: each for each in layers.tree.children(address.path)}
        for staged in reversed(layers.staged):
            removed = staged.removed()
            below = {path: each for path, each in below.items() if not is_removed(path, removed)}
            below |= staged.children(address.path)
        yield from (below[path] for path in sorted(below))

    def below(self, address: Address, changes: Changes | None = None) -> Iterator[TreeEntry]:
        """Everything below the directory at the address, in any depth; symlinks as symlinks, not followed. Raises as `entry`."""
        layers = self._layers(address, changes)
        if layers.tree is not None and not layers.staged:
            layers.tree.note_listed(address.path)
            yield from layers.tree.below(address.path)
            return
        waiting = [address.path]
        while waiting:
            for each in self.children(address.at(waiting.pop()), changes):
                yield each
                if each.kind == "dir":
                    waiting.append(each.path)

    def open(self, address: Address, changes: Changes | None = None) -> ServedFile:
        """The file at the address. Raises NotFound (`path-not-found` too), Invalid (`bad-path` for a directory), and as
        `entry`."""
        layers = self._layers(address, changes)
        for staged in layers.staged:
            found = staged.entry(address.path)
            if found is not None and found.kind == "file":
                return _StagedFile(staged, address.path, found.size_bytes)
            if staged.hides(address.path):
                raise NotFound("path-not-found", f"{address} was removed", path=address.path, nearest=None)
        if layers.tree is None:
            message = f"there is nothing at {address} yet; name another path"
            raise NotFound("path-not-found", message, path=address.path, nearest=None)
        return layers.tree.open(address.path)

    def writing(self, address: Address, changes: Changes | None = None, message: str | None = None) -> Writing:
        """Where a file at the address is to be staged: in `changes`, else in the run that the caller is inside, else alone.

        Raises as `changing`, and Invalid (`bad-path`) when a directory is there, or something else than directories above it:
        what these hold would be gone, or others would be written to.
        """
        try:
            layers = self._layers(address, changes)
        except NotFound:  # the branch begins with the file, or there is no such repo
            return self.changing(address, changes, message)
        parts = address.path.split("/") if address.path else []
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            found = layers.peek(path)
            if found is not None and (found.kind == "dir") == (depth == len(parts)):
                what = {"dir": "a directory", "symlink": "a symlink"}.get(found.kind, "a file")
                fault = f"{path!r} is {what} in {address.repo}@{address.branch}"
                raise Invalid("bad-path", f"{fault}; name another path, or remove it first", path=address.path)
        return self.changing(address, changes, message)

    def changing(self, address: Address, changes: Changes | None = None, message: str | None = None) -> Writing:
        """Where a change at the address is to be staged, as for `writing`.

        Raises NotFound (`repo-not-found`), Conflict (`ref-exists` when the ref is a label), Invalid (`bad-name`, `bad-path`).
        """
        if not address.repo or not address.path or address.ref == "":
            message = f"{str(address)!r} names no file that could be written; write REPO/PATH or REPO@BRANCH/PATH"
            raise Invalid("bad-path", message, path=str(address))
        check_text("message", message or "")
        repo = find_repo(self.store, address.repo)
        branch = check_name("branch", address.branch)
        check_targets(self.store, repo, branch=branch, label=None)
        changes = self._joined(changes)
        if changes is not None:
            return Writing(changes.of(self, repo, branch), None)
        run = self.surroundings.run(to_write=True)
        if run is not None:
            return Writing(Staged(self.surroundings.staging(run, repo, branch), repo, branch), None)
        alone = Changes(message or f"write {address.path}")
        return Writing(alone.of(self, repo, branch), alone)

    def commit(self, changes: Changes) -> list[Bundle]:
        """The changes are bundles, one for each branch, to which the branches point; inside a run they are part of its outputs
        instead, and there is no bundle yet. What was staged is gone. Each branch's is whole or nothing; raises as
        `commit_staged`."""
        run = self.surroundings.run(to_write=True)
        try:
            for staged in list(changes.staged.values()):
                if staged.is_empty():
                    continue
                if run is not None:
                    Staged(self.surroundings.staging(run, staged.repo, staged.branch), staged.repo, staged.branch).take(
                        staged
                    )
                    continue
                message = changes.message or f"write to {staged.repo.name}@{staged.branch} by path"
                changes.bundles.append(commit_staged(self.store, staged, Purpose(message)))
        finally:
            changes.drop()
            with self._lock:
                self._recent.clear()  # who has written sees it
        return changes.bundles

    def tree(self, reference: Reference) -> ServedTree:
        """The bundle that the reference gives; what is read of it is told where the caller is inside a run. Raises as
        `resolve`."""
        run = self.surroundings.run()
        return self._tree(self._resolved(reference, run), run)

    def _layers(self, address: Address, changes: Changes | None) -> _Layers:
        run = self.surroundings.run()
        joined = self._joined(changes)
        found = [] if joined is None else [joined.find(address.repo, address.branch)]
        resolved: Resolved | NotFound
        try:
            resolved = self._resolved(address.reference, run)
        except NotFound as error:
            if error.code != "ref-not-found":
                raise
            resolved = error  # of a branch that begins with what was staged
        repo = find_repo(self.store, address.repo) if isinstance(resolved, NotFound) else resolved.repo
        if run is not None:
            place = self.surroundings.staging(run, repo, address.branch)
            found.append(Staged(place, repo, address.branch) if place.is_dir() else None)
        staged = [each for each in found if each is not None]
        if not isinstance(resolved, NotFound):
            return _Layers(self._tree(resolved, run), staged)
        if not staged:
            raise resolved
        return _Layers(None, staged)

    @property
    def is_joined(self) -> bool:
        """Whether changes were begun around the caller."""
        return self._joined(None) is not None

    def _joined(self, changes: Changes | None) -> Changes | None:
        joining = _joining.get()
        return changes if changes is not None or joining is None or joining[0] != self.store.id else joining[1]

    def _resolved(self, reference: Reference, run: RunId | None) -> Resolved:
        if run is None:
            return self._resolved_now(reference)
        with self._lock:
            pinned = self._pins.get((run, reference))
        if pinned is not None:
            return pinned
        found = resolve(self.store, reference)
        with self._lock:
            pinned = self._pins.setdefault((run, reference), found)
            while len(self._pins) > _PINS:
                self._pins.popitem(last=False)
        return pinned

    def _resolved_now(self, reference: Reference) -> Resolved:
        """What the reference means; on a far store, where each look is a request, what it meant within the last second."""
        if not self.store.chunks.is_far:
            return resolve(self.store, reference)
        with self._lock:
            looked_ns, found = self._recent.get(reference, (0, None))
        now_ns = self.store.clock()
        if found is None or not 0 <= now_ns - looked_ns < _RECENT_NS:
            found = resolve(self.store, reference)
            with self._lock:
                while len(self._recent) >= _PINS:
                    del self._recent[next(iter(self._recent))]
                self._recent[reference] = (now_ns, found)
        return found

    def _tree(self, resolved: Resolved, run: RunId | None) -> ServedTree:
        key = (resolved.bundle.id, run, resolved.ref)  # a run is told through which name it read
        with self._lock:
            tree = self._trees.get(key)
            if tree is not None:
                self._trees.move_to_end(key)
                return tree
        accessed = None if run is None else self.surroundings.reading(run, resolved)
        tree = ServedTree(self.store, resolved.bundle, self.decoded, accessed)
        with self._lock:
            tree = self._trees.setdefault(key, tree)
            while len(self._trees) > _TREES:
                self._trees.popitem(last=False)
        return tree


class _StagedFile:
    """See `ServedFile`: one that is written and not committed yet."""

    def __init__(self, staged: Staged, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self._place = staged.tree / path

    def read(self, offset: int, length: int) -> bytes:
        """See `ServedFile`."""
        with open(self._place, "rb") as file:
            file.seek(offset)
            return file.read(length)


def _directory(path: str, time_ns: int) -> TreeEntry:
    return TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, 0o755, time_ns)


def _moved(path: str, at: TreeEntry, shown: str) -> str:
    """The path of what lies in the directory `at`, as it is reached through `shown`."""
    rest = path[len(at.path) :].lstrip("/")
    return f"{shown}/{rest}" if shown else rest
