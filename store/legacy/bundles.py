"""Bundles of an old store become bundles of ours: each whole or not at all, with its id, author, time and message."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from datamon.errors import Conflict, Corrupt, DatamonError
from datamon.store.bundle import Repo
from datamon.store.check.findings import Finding, capped
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.ids import BundleId, SessionId
from datamon.store.legacy.contents import Contents
from datamon.store.legacy.findings import left_out, refused, told
from datamon.store.legacy.shelf import Listed
from datamon.store.legacy.trees import tree_of
from datamon.store.log import RepoState
from datamon.store.long_file import StoredFile
from datamon.store.manifest import Manifest, iter_entries, read_manifest, write_columns
from datamon.store.opening import Store
from datamon.store.origin import Origin
from datamon.store.upload import ATTEMPTS

FILES_NAMED = 20
"""So many damaged files of a bundle are told by name, the others by their number."""

Standing = Literal["absent", "here", "other", "deleted", "unproven"]
"""How a bundle's id stands in our repo: not there; there, from these very records; there, from others; deleted; there, and not
known from which records."""
Outcome = Literal["taken", "here", "left out"]
"""What became of a bundle: it is here and was not before; it was here; it could not come."""
_TRY_AGAIN = ("condemned", "session-fenced", "bundle-exists")


@dataclass(frozen=True, slots=True)
class _Put:
    """A bundle's tree in our store, not committed."""

    manifest: Manifest
    session: SessionId | None


@dataclass
class Taker:
    """Takes the bundles of one repo over, in the order in which they are given, which is the old store's. `last` is the one
    before, as a bundle of ours."""

    store: Store
    repo: Repo
    contents: Contents
    last: BundleId | None = None
    _before: Listed | None = None
    _digests: dict[BundleId, str | None] = field(default_factory=dict)
    _seen: int = 0

    def standing(self, listed: Listed) -> Standing:
        """How the bundle stands here now."""
        state = self._state()
        bundle = listed.bundle.id
        if bundle in state.deleted:
            return "deleted"
        if bundle not in state.bundles:
            return "absent"
        digest = self._digests.get(bundle)
        if digest is None:
            return "unproven"
        return "here" if digest == listed.digest else "other"

    def take(self, listed: Listed) -> Generator[Finding, None, Outcome]:
        """What became of the bundle; what keeps it out is told. Raises Denied, Unavailable, Conflict (`condemned`,
        `session-fenced`, `log-contended`)."""
        self._recall()
        for attempt in range(1, ATTEMPTS + 1):
            standing = self.standing(listed)
            if standing not in ("absent", "unproven"):
                yield from self.met(listed, standing)
                self.pass_by(listed)
                return "here" if standing == "here" else "left out"
            put = yield from self._put(listed)
            if put is None:
                return "left out"
            if standing == "unproven":
                return (yield from self._compared(listed, put))
            try:
                yield from self._commit(listed, put)
            except Conflict as error:
                if error.code not in _TRY_AGAIN or attempt == ATTEMPTS:
                    raise
                self.contents.forget()
            else:
                return "taken"
        raise AssertionError("the last attempt returns or raises")

    def met(self, listed: Listed, standing: Standing) -> Iterator[Finding]:
        """What there is to say of a bundle that is not to be taken."""
        bundle, name = listed.bundle.id, self.repo.name
        if standing == "deleted":
            yield told(
                "bundle-deleted", f"the bundle {bundle} was deleted from {name!r} here, and stays so", name, bundle
            )
        elif standing == "other":
            yield self._differs(listed)

    def pass_by(self, listed: Listed) -> None:
        """The bundle is not to be taken; when it is here from these records, the next one follows it, and what both have is not
        read again."""
        if self.standing(listed) == "here":
            self.last = listed.bundle.id
            self._before = listed

    def _recall(self) -> None:
        """The files of the bundle before, which an earlier import took, are known."""
        before, self._before = self._before, None
        if before is None:
            return
        manifest = read_manifest(self.store.metadata, self._state().bundles[before.bundle.id].manifest)
        files = (entry for entry in iter_entries(self.store.metadata, manifest) if entry.kind == "file")
        self.contents.remember(
            {
                placed.file.root: StoredFile(bytes.fromhex(entry.content), entry.size_bytes, entry.recipe)
                for placed, entry in zip(before.placed, files, strict=True)
            }
        )

    def _state(self) -> RepoState:
        state = self.store.logs.repo(self.repo.id)
        for entry in state.entries[self._seen :]:
            origin: Mapping[str, str | None] = entry.record.get("origin", {})
            self._digests.update((bundle.id, origin.get("digest")) for bundle in entry.bundles)
        self._seen = state.number
        return state

    def _put(self, listed: Listed) -> Generator[Finding, None, _Put | None]:
        """The bundle's tree, durable; None when a file of it cannot be had."""
        store, name, bundle = self.store, self.repo.name, listed.bundle
        stored, session = self._put_files(listed)
        faults = list(capped(_faults(listed, name, stored), FILES_NAMED))
        if faults:
            yield from faults
            return None
        whole = {root: each for root, each in stored.items() if isinstance(each, StoredFile)}
        columns = tree_of(listed.placed, whole, bundle.time_ns)
        return _Put(write_columns(store.metadata, columns, condemned=self._condemned()), session)

    def _put_files(self, listed: Listed) -> tuple[dict[bytes, StoredFile | Corrupt], SessionId | None]:
        contents = self.contents
        stored: dict[bytes, StoredFile | Corrupt] = {}
        stored.update(contents.known([each.file.root for each in listed.placed]))
        distinct = {each.file.root: each.file for each in listed.placed if each.file.root not in stored}
        contents.skip([each.file for each in listed.placed if distinct.get(each.file.root) is not each.file])
        if not distinct:
            return stored, None
        with self.store.chunks.session(self._condemned()) as session:
            put = contents.put(session, list(distinct.values()), listed.bundle.leaves)
        contents.remember(put)
        return stored | put, session.id

    def _condemned(self) -> frozenset[str]:
        return self.store.logs.store().condemned | self.store.logs.repo(self.repo.id).condemned

    def _commit(self, listed: Listed, put: _Put) -> Generator[Finding, None, None]:
        bundle = listed.bundle
        parents, lost = self._parents(listed)
        origin = Origin(bundle.author, bundle.time_ns, listed.digest, bundle.contributors[1:])
        request = CommitRequest(
            put.manifest, bundle.message, put.session, parents=parents, id=bundle.id, origin=origin, reused=None
        )
        self.last = commit_bundle(self.store, self.repo, request).id
        for parent in lost:
            message = f"the bundle {bundle.id} names the parent {parent}, which is not here; it came without it"
            yield told("parent-missing", message, self.repo.name, bundle.id)

    def _parents(self, listed: Listed) -> tuple[tuple[BundleId, ...], list[BundleId]]:
        """The parents that the record names, those that are here and those that are not; where it names none, the bundle
        before it, which it took the place of."""
        named = listed.bundle.parents
        state = self._state()
        if not named:
            is_live = self.last is not None and self.last not in state.deleted
            return (self.last,) if self.last is not None and is_live else (), []
        live = tuple(parent for parent in named if parent in state.bundles and parent not in state.deleted)
        return live, [parent for parent in named if parent not in live]

    def _compared(self, listed: Listed, put: _Put) -> Generator[Finding, None, Outcome]:
        """What is here under the id holds the same files, or is told."""
        here = self._state().bundles[listed.bundle.id]
        if here.content == put.manifest.content:
            self.last = here.id
            return "here"
        yield self._differs(listed)
        return "left out"

    def _differs(self, listed: Listed) -> Finding:
        bundle, name = listed.bundle.id, self.repo.name
        message = (
            f"a bundle {bundle} is in {name!r} here with another content than the old store's; look at both, and import "
            "into a new store if the old one's is wanted"
        )
        return refused("bundle-differs", message, name, bundle)


def fault_of(error: DatamonError, repo: str, bundle: str) -> Finding:
    """The finding that a bundle does not come because of what its records say."""
    return left_out(error, repo, bundle, f"the bundle {bundle} of {repo!r}")


def _faults(listed: Listed, repo: str, stored: Mapping[bytes, StoredFile | Corrupt]) -> Iterator[Finding]:
    """A finding for each file that cannot be had."""
    bundle = listed.bundle.id
    for path, file in listed.placed:
        found = stored[file.root]
        if isinstance(found, StoredFile) and found.size_bytes == file.size_bytes:
            continue
        if isinstance(found, StoredFile):
            message = (
                f"the file {path!r} has {found.size_bytes} bytes and {file.size_bytes} in its list; restore the list"
            )
            found = Corrupt("bad-record", message, key=file.root.hex())
        yield left_out(found, repo, bundle, f"the bundle {bundle} of {repo!r}", path)
