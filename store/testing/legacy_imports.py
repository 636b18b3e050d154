"""What the tests of the import of old stores share: opening what the writer wrote, importing it, and looking at what came."""

from pathlib import Path

from datamon.store.bundle import Bundle
from datamon.store.check.findings import Finding
from datamon.store.chunk_store import read_file
from datamon.store.ids import new_ksuid
from datamon.store.legacy.importing import ImportRequest, Tally, import_legacy
from datamon.store.legacy.sources import LegacyPlaces, LegacyStore, open_legacy
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.repos import find_repo

NOON_S = 1_551_441_600
"""2019-03-01 12:00 UTC, in seconds."""


def ksuid(number: int) -> str:
    """The same id each time for the same number, of the second after `NOON_S` that has it."""
    return new_ksuid((NOON_S + number) * 10**9, number.to_bytes(16, "big"))


def moment(number: int) -> str:
    """Half a second after that second, as the first datamon wrote times."""
    return f"2019-03-01T12:{number // 60:02}:{number % 60:02}.5Z"


def opened(root: Path) -> LegacyStore:
    """What was written in the directory."""
    return open_legacy(LegacyPlaces(*(str(root / place) for place in ("metadata", "vmetadata", "blob"))))


def taken(
    store: Store, old: LegacyStore, *repos: str, dry_run: bool = False, progress: Progress = SILENT
) -> tuple[list[Finding], Tally]:
    """The import to its end: what it met, and its tally."""
    findings = import_legacy(store, old, ImportRequest(repos, dry_run), progress=progress)
    found = []
    while True:
        try:
            found.append(next(findings))
        except StopIteration as end:
            tally: Tally = end.value
            return found, tally


def files_of(store: Store, bundle: Bundle) -> dict[str, bytes]:
    """The bundle's files, verified."""
    manifest = read_manifest(store.metadata, bundle.manifest)
    return {
        entry.path: b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe))
        for entry in iter_entries(store.metadata, manifest)
        if entry.kind == "file"
    }


def bundles_of(store: Store, repo: str) -> list[Bundle]:
    """All bundles that the repo ever had, in the order of their commits."""
    return list(store.logs.repo(find_repo(store, repo).id).bundles.values())
