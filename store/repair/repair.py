"""Repair: check, mend what can be mended, and check again, until nothing more can be."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from datamon.errors import Conflict
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Author
from datamon.store.check.check import Diagnosis, examine
from datamon.store.check.findings import Finding
from datamon.store.check.identity import Opened, open_to_check
from datamon.store.check.packs import Sample
from datamon.store.clock import Clock, system_clock
from datamon.store.encryption_key import EncryptionKey
from datamon.store.named import plain_key
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.recipes import MOST_ROWS
from datamon.store.repair.chunks import give_up_damaged, offer_copies, offer_stranded, putting
from datamon.store.repair.copies import take_from_copy, wanted_keys
from datamon.store.repair.identity import mend_identity
from datamon.store.repair.index import rebuild_footers, rebuild_index
from datamon.store.repair.journal import mend_journal
from datamon.store.repair.merges import list_merges_again
from datamon.store.repair.trees import TreeSource, put_manifest_parts

_ROUNDS = 20
"""What is mended in one round can show what is to be mended in the next: a manifest, then its files."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """The store that is to be mended, by where it lies and who mends it."""

    metadata: Backend
    blob: Backend
    author: Author
    clock: Clock = system_clock
    key: EncryptionKey | None = None

    def open(self) -> Opened:
        """The store as it is now. Raises as `open_to_check`."""
        return open_to_check(self.metadata, self.blob, self.author, clock=self.clock, key=self.key)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to take bytes from: copies of the same store, and directories that hold files of it."""

    copies: tuple[Store, ...] = ()
    trees: tuple[Path, ...] = ()
    recipe_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Watch:
    """How a repair looks: which packs are read whole, what else is checked, and who listens."""

    sample: Sample = field(default_factory=lambda: Sample(100))
    more: Callable[[Store], Iterable[Finding]] = lambda _: ()
    progress: Progress = SILENT


WHOLE_WATCH = Watch()
"""Every pack is read whole."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of what a check found: `healed` is whole now, `left` is still damaged."""

    healed: tuple[Finding, ...]
    left: tuple[Finding, ...]


def check_copy(store: Store, copy: Store) -> None:
    """Returns when `copy` is one of this store. Raises Conflict (`foreign-blobs`)."""
    if copy.id != store.id:
        message = f"{copy.metadata.url} is the store {copy.id} and no copy of {store.id}; name a copy of this store"
        raise Conflict("foreign-blobs", message, where=copy.metadata.url)


def repair(damaged: Damaged, sources: Sources, watch: Watch = WHOLE_WATCH) -> Repaired:
    """The store is as whole as these sources can make it when this returns. Every byte that was taken was verified first; nothing
    that was whole was changed; doing it again, or being stopped at any point, does no harm.

    The chunk index, footers and intents are made again from what there is; what a copy has is taken from it; chunks that only
    a tree or another pack has get new packs, and the damaged ones are condemned. Raises Conflict (`foreign-blobs`), Corrupt when
    nothing says which store this is, and as `open_tree`; Denied, Unavailable.
    """
    first: dict[tuple[object, ...], Finding] = {}
    findings: list[Finding] = []
    for number in range(_ROUNDS):
        opened = damaged.open()
        for copy in sources.copies:
            check_copy(opened.store, copy)
        findings, diagnosis = _examined(opened, watch)
        if number == 0:
            first = {_same(finding): finding for finding in findings if _is_mendable(finding)}
        if not any(map(_is_mendable, findings)) or not _mend(
            opened.store, sources, findings, diagnosis, watch.progress
        ):
            break
    left = tuple(finding for finding in findings if finding.is_damage)
    still = {_same(finding) for finding in findings}
    return Repaired(tuple(finding for key, finding in first.items() if key not in still), left)


def _is_mendable(finding: Finding) -> bool:
    return finding.is_damage or finding.code in ("entry-missing", "missing-bytes")


def _same(finding: Finding) -> tuple[object, ...]:
    return finding.severity, finding.code, finding.key, finding.repo, finding.bundle, finding.path


def _examined(opened: Opened, watch: Watch) -> tuple[list[Finding], Diagnosis]:
    findings = list(opened.findings)

    def collected() -> Generator[Finding, None, Diagnosis]:
        return (yield from examine(opened.store, watch.sample, progress=watch.progress, collecting=True))

    walk = collected()
    while True:
        try:
            findings.append(next(walk))
        except StopIteration as end:
            diagnosis: Diagnosis = end.value
            break
    findings += watch.more(opened.store)
    return findings, diagnosis


def _mend(store: Store, sources: Sources, findings: list[Finding], diagnosis: Diagnosis, progress: Progress) -> int:
    """How many things were mended."""
    mended = mend_identity(store, sources.copies, findings)
    mended += mend_journal(store, sources.copies, findings, diagnosis.ledger)
    for copy in sources.copies:
        mended += take_from_copy(store, copy, wanted_keys(findings), diagnosis)
    if mended:
        return mended  # it may be all that is needed: the rest costs new packs
    mended += _drop_results(store, findings)
    mended += list_merges_again(store, findings)
    mended += rebuild_index(store, diagnosis, findings)
    mended += rebuild_footers(store.blob, diagnosis.need)
    return mended or _put_again(store, sources, findings, diagnosis, progress)


def _drop_results(store: Store, findings: list[Finding]) -> int:
    """Damaged results are dropped: what they pointed at is computed once more, if anybody asks."""
    damaged = {finding.key for finding in findings if finding.is_damage and finding.key}
    dropped = [key for key in damaged if key.startswith(layout.RESULTS)]
    for key in dropped:
        store.metadata.delete(key)
    return len(dropped)


def _put_again(
    store: Store, sources: Sources, findings: list[Finding], diagnosis: Diagnosis, progress: Progress
) -> int:
    need, condemned = diagnosis.need, diagnosis.ledger.condemned
    lost = {plain_key(finding.key) for finding in findings if finding.is_damage and finding.key}
    parts = frozenset(key for key in lost if key.startswith((layout.MANIFESTS, layout.SEGMENTS, layout.STATS)))
    mended = 0
    with putting(store, need, condemned) as taking:
        offer_stranded(need.packs, taking, need.stranded)
        offer_copies(taking, sources.copies)
        for path in sources.trees if taking.wanted or parts else ():
            tree = TreeSource(path, sources.recipe_rows, progress)
            tree.offer(taking)
            mended += put_manifest_parts(store, tree.entries, parts, condemned)
    give_up_damaged(store, need, taking.put)
    return mended + len(taking.put)
