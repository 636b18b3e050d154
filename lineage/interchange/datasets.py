"""Datasets of other systems as repos: a version that was read or written is a bundle of one file, which says what it was.

Nobody here has the bytes of such a dataset, nor a hash of them, so the bundle holds what is known: namespace, name, version and
facets. Its content differs where the version does. Its id follows from the same three, so that taking it in again adds nothing.
"""

import os
import re
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blake3 import blake3

from datamon.errors import Conflict
from datamon.lineage.interchange.openlineage_names import namespace_of
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import encode
from datamon.store.commit import CommitRequest
from datamon.store.entries import TreeEntry
from datamon.store.ids import BundleId, SessionId, is_ksuid, new_ksuid
from datamon.store.manifest import iter_entries, write_manifest
from datamon.store.names import DEFAULT_BRANCH, LONGEST_BYTES
from datamon.store.opening import Store
from datamon.store.origin import Origin
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.repos import create_repo
from datamon.store.upload import commit_put

FILE = "dataset.json"
_STRANGE = re.compile(r"[^\w.\-]+")
_DIGITS = 8


@dataclass
class Dataset:
    """A dataset as a repo, with its versions in the order of their times."""

    repo: Repo
    versions: list[tuple[int, BundleId]] = field(default_factory=list)

    def at(self, time_ns: int) -> BundleId | None:
        """The version that it had at a time; None when none is known to be that old."""
        place = bisect_right(self.versions, time_ns, key=lambda version: version[0])
        return self.versions[place - 1][1] if place else None


@dataclass(frozen=True, slots=True)
class Met:
    """A dataset as a run met it: by namespace and name, with its facets; `version` is the one that it names, or the run's own."""

    name: tuple[str, str]
    version: str | None
    facets: dict[str, Any]
    time_ns: int

    @property
    def bundle(self) -> BundleId:
        """The id of the bundle of this version."""
        return BundleId(new_ksuid(0, blake3(encode({"dataset": [*self.name, self.version]})).digest(16)))

    @property
    def content(self) -> bytes:
        """What is known of it, as the bundle's one file says it."""
        told = {"namespace": self.name[0], "name": self.name[1], "version": self.version, "facets": self.facets}
        return encode(told)


def met_by_reader(name: tuple[str, str], facets: dict[str, Any], time_ns: int) -> Met:
    """The dataset as a run that read it at a time met it."""
    return Met(name, _version(facets), facets, time_ns)


def met_by_writer(name: tuple[str, str], facets: dict[str, Any], time_ns: int, run: str) -> Met:
    """The dataset as a run that wrote it at a time met it: without a version, one of the run's own."""
    return Met(name, _version(facets) or f"run {run}", facets, time_ns)


class Datasets:
    """The datasets that are met on the way in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._put: dict[BundleId, tuple[TreeEntry, SessionId | None]] = {}
        self._known: dict[tuple[str, str], Dataset] = {}
        self._own = namespace_of(store.id)

    def put(self, several: Iterable[Met]) -> None:
        """What is known of these is in the store when this returns, in one session, so that their bundles cost no session each.
        It only spares time: what was not put is put when its bundle is made."""
        self._put = {}
        files = {each.bundle: each for each in several}
        if not files:
            return
        with TemporaryDirectory() as directory:
            for bundle, each in files.items():
                _write(Path(directory) / bundle, each)
            tree = put_tree(self._store, TreeSource(Path(directory), "none"))
        for entry in iter_entries(self._store.metadata, tree.manifest):
            self._put[BundleId(entry.path)] = replace(entry, path=FILE), tree.session

    def wrote(self, met: Met) -> tuple[Repo, Bundle]:
        """The bundle that a run wrote, made where it is not there."""
        return self._own_bundle(met) or self._bundle(met)

    def read(self, met: Met) -> tuple[Repo, Bundle]:
        """The bundle that a run read: of the version that it names, else of the latest that is known to be as old, else one that
        says that the version is not known."""
        own = self._own_bundle(met)
        if own is not None:
            return own
        if met.version is None:
            dataset = self._dataset(met.name)
            latest = dataset.at(met.time_ns)
            if latest is not None:
                return dataset.repo, self._store.logs.repo(dataset.repo.id).bundles[latest]
        return self._bundle(met)

    def _own_bundle(self, met: Met) -> tuple[Repo, Bundle] | None:
        """A bundle of this store that is named as its own exports name it."""
        repo = self._store.logs.store().names.get(met.name[1]) if met.name[0] == self._own else None
        if repo is None:
            return None
        state = self._store.logs.repo(repo.id)
        if met.version is not None:
            kept = state.bundles.get(BundleId(met.version))
            return (repo, kept) if kept is not None else None
        found = Dataset(repo, sorted((bundle.time_ns, bundle.id) for bundle in state.bundles.values())).at(met.time_ns)
        return (repo, state.bundles[found]) if found is not None else None

    def _dataset(self, name: tuple[str, str]) -> Dataset:
        known = self._known.get(name)
        if known is None:
            repo = _repo_of(self._store, name)
            bundles = self._store.logs.repo(repo.id).bundles.values()
            known = self._known[name] = Dataset(repo, sorted((bundle.time_ns, bundle.id) for bundle in bundles))
        return known

    def _bundle(self, met: Met) -> tuple[Repo, Bundle]:
        dataset = self._dataset(met.name)
        kept = self._store.logs.repo(dataset.repo.id).bundles.get(met.bundle)
        if kept is not None:
            return dataset.repo, kept
        bundle = self._commit(dataset, met)
        insort(dataset.versions, (bundle.time_ns, bundle.id))
        return dataset.repo, bundle

    def _commit(self, dataset: Dataset, met: Met) -> Bundle:
        store, repo = self._store, dataset.repo
        is_newest = not dataset.versions or dataset.versions[-1][0] <= met.time_ns

        def ask(tree: StoredTree) -> CommitRequest:
            return CommitRequest(
                tree.manifest,
                f"version {met.version}" if met.version else "a version that nobody named",
                tree.session,
                branch=DEFAULT_BRANCH if is_newest else None,
                reused=None,  # another bundle of the same session may have been deleted since: every chunk is looked at
                id=met.bundle,
                origin=Origin(store.author, met.time_ns),
            )

        def put(condemned: frozenset[str]) -> StoredTree:
            known = self._put.pop(met.bundle, None)
            if known is not None:
                entry, session = known
                return StoredTree(write_manifest(store.metadata, [entry], condemned=condemned), session, frozenset())
            with TemporaryDirectory() as directory:
                _write(Path(directory) / FILE, met)
                return put_tree(store, TreeSource(Path(directory), "none"), condemned=condemned)

        try:
            return commit_put(store, repo, put, ask)[1]
        except Conflict as error:
            if error.code != "bundle-exists":
                raise
            return store.logs.repo(repo.id).bundles[met.bundle]  # another import was first


def _write(file: Path, met: Met) -> None:
    file.write_bytes(met.content)
    file.chmod(0o644)
    os.utime(file, ns=(met.time_ns, met.time_ns))


def allowed(text: str) -> str:
    """`text` where it may be a name; else what of it may be, with a hash of all of it, so that two texts never have one name.

    >>> allowed("daily_orders.load"), allowed("s3://lake/raw orders")
    ('daily_orders.load', 's3-lake-raw-orders-97862a72')
    """
    slug = _slug(text, LONGEST_BYTES)
    return text if slug == text and not is_ksuid(text) else _hashed(text, text)


def repo_name(name: tuple[str, str]) -> str:
    """The name of the repo of a dataset, by its namespace and name."""
    return _hashed(".".join(name), encode({"dataset": list(name)}).decode())


def _hashed(text: str, whole: str) -> str:
    digest = blake3(whole.encode()).hexdigest()[:_DIGITS]
    return f"{_slug(text, LONGEST_BYTES - _DIGITS - 1)}-{digest}"


def _slug(text: str, most: int) -> str:
    plain = _STRANGE.sub("-", text.encode("ascii", "replace").decode().replace("?", "-")).strip("-._")
    return re.sub(r"-{2,}", "-", plain)[:most].strip("-._") or "x"


def _version(facets: dict[str, Any]) -> str | None:
    facet = facets.get("version")
    version = facet.get("datasetVersion") if isinstance(facet, dict) else None
    return str(version) if version else None


def _repo_of(store: Store, name: tuple[str, str]) -> Repo:
    """The repo of the dataset, made where it is not there. Raises Conflict (`repo-exists`) when another has its name."""
    wanted = repo_name(name)
    description = f"the dataset {name[1]} in {name[0]}, as OpenLineage events tell of it"
    kept = store.logs.store().names.get(wanted)
    if kept is None:
        try:
            return create_repo(store, wanted, description)
        except Conflict:
            kept = store.logs.store().names[wanted]  # another import was first
    if kept.description != description:
        message = f"the repo {wanted!r} is not that of {description}; rename it, and import again"
        raise Conflict("repo-exists", message, repo=wanted)
    return kept
