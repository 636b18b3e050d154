"""What external entries name, read where it lies and compared with what was hashed: only for who asks, since it costs others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice

from datamon.errors import Corrupt, DatamonError
from datamon.store.bundle import Bundle, Repo
from datamon.store.check.findings import FINDING_CODES, Finding, Severity
from datamon.store.entries import TreeEntry
from datamon.store.external.restoring import verify_external
from datamon.store.external.sources import Sources
from datamon.store.hashing import Hashing
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.progress import Progress
from datamon.store.repos import list_repos
from datamon.store.tombstones import live_bundles

_READERS = 16
_TOGETHER = 256
_DAMAGE = ("source-changed", "source-not-found", "bad-record")


def check_external(store: Store, *, progress: Progress) -> Iterator[Finding]:
    """A finding for each thing that a live bundle links to and that cannot be had as it was hashed, once however many bundles
    link to it. What may not be read, or not now, is a notice. Everything is read. Raises Invalid (`missing-extra`)."""
    sources = Sources()
    linked = _linked(store)
    progress.begin("external", None, None)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="external") as readers:
        while some := list(islice(linked, _TOGETHER)):
            faults = readers.map(lambda each: _fault(sources, each[2], store.hashing), some)
            for (repo, bundle, entry), fault in zip(some, faults, strict=True):
                progress.advance(1, entry.size_bytes)
                if fault is not None:
                    yield _finding(repo, bundle, entry, fault)
    progress.end()


def _linked(store: Store) -> Iterator[tuple[Repo, Bundle, TreeEntry]]:
    """Every external entry of live bundles, each source once. Manifests that cannot be read are for the check of the store."""
    seen = set()
    for repo in list_repos(store):
        for bundle in live_bundles(store.logs.repo(repo.id)):
            with suppress(Corrupt):
                for entry in iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest)):
                    key = (entry.target, entry.content)
                    if entry.kind == "external" and key not in seen:
                        seen.add(key)
                        yield repo, bundle, entry


def _fault(sources: Sources, entry: TreeEntry, hashing: Hashing) -> DatamonError | None:
    try:
        verify_external(sources, entry, hashing)
    except DatamonError as error:
        if error.code == "missing-extra":
            raise
        return error
    return None


def _finding(repo: Repo, bundle: Bundle, entry: TreeEntry, fault: DatamonError) -> Finding:
    code = fault.code if fault.code in FINDING_CODES else "bad-record"
    severity: Severity = "damage" if code in _DAMAGE else "notice"
    message = f"{entry.path!r} lies elsewhere: {fault.message}"
    return Finding(code, severity, message, None, repo.name, bundle.id, entry.path)
