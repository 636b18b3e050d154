"""Collect: mark, repack, condemn, mark again, sweep. The protocol and why it is safe: docs/design.md, "Garbage collection"."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from datamon.errors import Conflict, Corrupt
from datamon.store.gc.condemn import Overtaken, condemn, is_pack, session_of
from datamon.store.gc.inventory import Inventory, Stocktaker
from datamon.store.gc.judge import Judge, Verdict
from datamon.store.gc.keeping import Keeping, read_keeping
from datamon.store.gc.mark import Marks
from datamon.store.gc.repack import repack
from datamon.store.gc.sweep import sweep
from datamon.store.ids import is_ksuid, ksuid_time_ns
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

GRACE_NS = 24 * 3600 * 10**9
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class GcRequest:
    """How a collection is to go. What was deleted, or begun and not committed, less than `grace_ns` ago is spared: a courtesy to
    those who still read or write it, on which nothing depends. Packs that need less than the share `sparse_below` of their bytes
    are repacked. `dry_run` changes nothing."""

    grace_ns: int = GRACE_NS
    dry_run: bool = False
    sparse_below: float = 0.5


@dataclass(frozen=True, slots=True)
class Amount:
    """So many packs and metadata keys, and the bytes that they take as they are stored."""

    packs: int = 0
    keys: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did, or with `dry_run` what it would do.

    `condemned`: nothing may rely on it from now on. `swept`: deleted. `kept`: condemned, but something came to need it before,
    and while it does it stays; from packs a later collection copies that out. `spared`: becomes free by `spared_until_ns` at the
    latest, if nobody uses it again.
    """

    condemned: Amount = Amount()
    repacked: Amount = Amount()
    swept: Amount = Amount()
    kept: Amount = Amount()
    spared: Amount = Amount()
    spared_until_ns: int | None = None


def collect(store: Store, request: GcRequest, *, progress: Progress = SILENT) -> Collected:
    """What no bundle reaches is gone when this returns, save what is spared or came into use meanwhile. Uploads, readers,
    deletions and other collectors may go on at the same time.

    Raises Corrupt (as `datamon check` finds it) when something that a live bundle needs is not there: then nothing is condemned,
    or nothing more is deleted. Raises Unavailable, Denied where the backend does, which ends the sweep, and Conflict
    (`log-contended`) when other collectors were always first.
    """
    doubted = False
    for _ in range(_ATTEMPTS):
        try:
            return _Attempt(store, request, progress).run()
        except Overtaken:
            continue
        except Corrupt:
            # A listing that another collector changes while it is made may miss what is there: damage shows again.
            if doubted:
                raise
            doubted = True
    raise Conflict("log-contended", "other collectors were always first; run `datamon gc` again when they are done")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an attempt means to do: condemn `doomed` in every log, once what is needed of the `sparse` packs lies in packs that
    are not `avoided`."""

    doomed: frozenset[str]
    sparse: frozenset[str]
    avoided: frozenset[str]
    report: Collected


class _Attempt:
    """One attempt at a collection: its marks, and what it has read of the index."""

    def __init__(self, store: Store, request: GcRequest, progress: Progress) -> None:
        self._store = store
        self._request = request
        self._progress = progress
        self._marks = Marks(store)
        self._stocktaker = Stocktaker(store)

    def run(self) -> Collected:
        """Raises Overtaken when it has to be made again."""
        store, progress = self._store, self._progress
        keeping = read_keeping(store, self._request.grace_ns)
        inventory, verdict = self._look(keeping, self._request.sparse_below)
        plan = self._plan(keeping, inventory, verdict)
        if self._request.dry_run:
            return plan.report
        progress.begin("repack", len(plan.sparse), None)
        copied_bytes = repack(store, plan.sparse, self._marks.chunks, plan.avoided, progress)
        progress.end()
        condemn(store, plan.doomed)
        swept, kept = self._sweep(plan.doomed)
        store.journal.tend()
        return replace(plan.report, repacked=Amount(len(plan.sparse), 0, copied_bytes), swept=swept, kept=kept)

    def _look(self, keeping: Keeping, sparse_below: float) -> tuple[Inventory, Verdict]:
        """What is there, read after the logs, and what of it is needed."""
        try:
            self._marks.add(keeping, self._progress)
            inventory = self._stocktaker.take()
            return inventory, Judge(self._marks, inventory).verdict(keeping.store.condemned, sparse_below)
        except Corrupt as error:
            # What a bundle lacks that was deleted since the logs were read is no damage.
            if _has_moved(self._store, keeping):
                raise Overtaken from error
            raise

    def _plan(self, keeping: Keeping, inventory: Inventory, verdict: Verdict) -> _Plan:
        until_ns = self._young(keeping, verdict.dead | verdict.sparse)
        dead, sparse = verdict.dead - until_ns.keys(), verdict.sparse - until_ns.keys()
        condemned = keeping.store.condemned & (inventory.packs.keys() | inventory.keys.keys())
        spared = verdict.spared | until_ns.keys()
        ends_ns = [*until_ns.values(), *(each.until_ns for each in keeping.spared)]
        report = Collected(
            condemned=_amount(inventory, (dead | sparse) - condemned),
            repacked=_amount(inventory, sparse),
            swept=_amount(inventory, dead | sparse | verdict.sweepable),
            spared=_amount(inventory, spared),
            spared_until_ns=max(ends_ns) if spared else None,
        )
        return _Plan(dead | sparse | condemned, sparse, keeping.store.condemned | dead | sparse, report)

    def _young(self, keeping: Keeping, names: Iterable[str]) -> dict[str, int]:
        """Those of the names that belong to a session or a writer that began less than the grace ago and has not committed, each
        with when its grace ends."""
        if not self._request.grace_ns:
            return {}
        settled = keeping.committed() | keeping.store.fenced
        now_ns = self._store.clock()
        begun = ((name, session_of(name) if is_pack(name) else name.rpartition(".")[2]) for name in names)
        until_ns = {
            name: ksuid_time_ns(by) + self._request.grace_ns for name, by in begun if is_ksuid(by) and by not in settled
        }
        return {name: end_ns for name, end_ns in until_ns.items() if end_ns > now_ns}

    def _sweep(self, doomed: frozenset[str]) -> tuple[Amount, Amount]:
        """What was deleted of what every log condemns, and what was kept of it because it came into use before."""
        store = self._store
        keeping = read_keeping(store, self._request.grace_ns)
        inventory, verdict = self._look(keeping, 0.0)
        swept, condemned = verdict.sweepable & doomed, keeping.store.condemned
        absent = condemned - inventory.packs.keys() - inventory.keys.keys()
        sweep(store, swept, absent, self._progress)
        # Only now: as long as a pack is there the index must say what it holds.
        store.chunks.merge_index(without=inventory.packs_named() & (absent | swept))
        return _amount(inventory, swept), _amount(inventory, verdict.kept & doomed)


def _has_moved(store: Store, keeping: Keeping) -> bool:
    """Whether a log has an entry that was not there when the logs were read."""
    read = keeping.tails()
    return store.logs.store().number != read[None] or any(
        store.logs.repo(repo).number != number for repo, number in read.items() if repo is not None
    )


def _amount(inventory: Inventory, names: Iterable[str]) -> Amount:
    known = set(names)
    packs = sum(map(is_pack, known))
    return Amount(packs, len(known) - packs, inventory.size_of(known))
