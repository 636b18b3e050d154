"""Check: reads a store as a stranger would, believes nothing, changes nothing, and tells what it finds."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from datamon.store.check.findings import Finding
from datamon.store.check.journal import Meant, examine_journal
from datamon.store.check.logs import Ledger, examine_logs
from datamon.store.check.manifests import Library, examine_manifests, list_manifests
from datamon.store.check.need import Need, pack_findings
from datamon.store.check.packs import NO_SAMPLE, Packs, Sample, examine_packs
from datamon.store.check.places import examine_index
from datamon.store.check.records import examine_records
from datamon.store.check.strays import examine_strays
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress


@dataclass(frozen=True)
class Diagnosis:
    """What a check learned on its way, for whoever is to mend."""

    ledger: Ledger
    meant: Meant
    library: Library
    need: Need


def check(store: Store, sample: Sample = NO_SAMPLE, *, progress: Progress = SILENT) -> Iterator[Finding]:
    """Everything that can be found wrong with the store's own records, manifests, index and packs, each cause once with the files
    it hits. Nothing is written, and damage in one place hides none in another. What runs name is for the lineage layer.

    Without a sample, files' bytes are not read: every record, manifest and index segment is, and the end of every pack. With
    one, those packs are read whole. Others may write meanwhile: what they commit after the check began is not looked at.
    In memory: all logs, and some 130 bytes for each chunk of the store. Raises Invalid (`newer-format`), Denied, Unavailable.
    """
    yield from examine(store, sample, progress=progress)


def examine(
    store: Store, sample: Sample, *, progress: Progress, collecting: bool = False
) -> Generator[Finding, None, Diagnosis]:
    """As `check`, and gives what it learned; with `collecting` also every chunk that cannot be had."""
    ledger = yield from examine_logs(store)
    meant = yield from examine_journal(store, ledger)
    yield from examine_records(store.metadata)
    # In the reverse order of writing, so that whatever is met had what it needs when it was met.
    library = list_manifests(store.metadata)
    places = yield from examine_index(store.blob)
    packs = Packs(store.blob, store.hashing)
    shelf = yield from examine_packs(packs, places, sample, progress)
    need = Need(packs, places, shelf, collecting)
    hits = examine_manifests(store, ledger, library, need, progress)
    for finding in pack_findings(need):
        hits.add_cause(finding)
    yield from hits.findings()
    yield from examine_strays(store.metadata, store.blob, library, need)
    return Diagnosis(ledger, meant, library, need)
