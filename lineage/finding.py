"""Finds the record of one run in the journal, and what is kept beside it."""

from collections import defaultdict
from collections.abc import Iterator

from datamon.errors import NotFound
from datamon.lineage.records import RUN_KINDS, RUN_OPENED, Environment, Run, combine, run_of
from datamon.store import layout
from datamon.store.codec import Record, decode
from datamon.store.ids import BundleId
from datamon.store.journal import mentioning
from datamon.store.opening import Store
from datamon.store.refs import live_bundle
from datamon.store.repos import runs_repo
from datamon.store.resolve import find_by_part
from datamon.store.tombstones import Tombstone, tombstone_of


def find_run(store: Store, id_or_part: str) -> Run:
    """The run of this id, or of this unique start or end of one, as far as the journal tells now; goes through all of it.

    Raises NotFound (`run-not-found`), Invalid (`ambiguous-id`, `bad-reference`).
    """
    events = [event for event in mentioning(store.journal, [id_or_part]) if event["kind"] in RUN_KINDS]
    opened = [run_of(event) for event in events if event["kind"] == RUN_OPENED]
    identity = find_by_part(id_or_part, dict.fromkeys(opened), kind="run")
    run = combine(event for event in events if run_of(event) == identity)
    assert run is not None, "its opening was among the events"
    return run


def runs_within(store: Store, run: Run) -> list[Run]:
    """The runs that are part of this one, or of such a run, in the order in which they began; goes through all of the journal
    once for each level."""
    within: dict[str, Run] = {}
    events = mentioning(store.journal, [run.id])
    above = {run.id}
    while above:
        level = {
            run_of(event)
            for event in events
            if event["kind"] == RUN_OPENED
            and event["run"]["parent"] in above
            and run_of(event) not in {run.id, *within}
        }
        events = mentioning(store.journal, level)
        told: dict[str, list[Record]] = defaultdict(list)
        for event in events:
            if event["kind"] in RUN_KINDS:
                told[run_of(event)].append(event)
        found = {each: combine(told[each]) for each in level}
        within |= {each: part for each, part in found.items() if part is not None}
        above = level
    return sorted(within.values(), key=lambda each: (each.opened.started_ns, each.id))


def environment_of(store: Store, run: Run) -> Environment | None:
    """The environment that the run recorded, if it did. Raises NotFound when the record is gone, Corrupt."""
    digest = run.opened.environment
    if digest is None:
        return None
    key = layout.environment(digest)
    return Environment.from_record(decode(store.metadata.get(key), f"{store.metadata.url}/{key}"))


def tombstones(store: Store, run: Run) -> dict[BundleId, Tombstone]:
    """Those of the run's inputs and outputs that were deleted since, or whose repo was. Reads the logs of their repos."""
    named = {each.bundle: each.repo for each in run.inputs} | {each.bundle: each.repo for each in run.outputs}
    found = {bundle: tombstone_of(store, repo, bundle) for bundle, repo in named.items()}
    return {bundle: gone for bundle, gone in found.items() if gone is not None}


def stream_pieces(store: Store, streams: BundleId, name: str) -> Iterator[bytes]:
    """The bytes of the stream `name` (`stdout`, `stderr`) in a run's bundle of streams, verified; none when nothing was written
    to it. Raises NotFound (`bundle-not-found`), Corrupt."""
    from datamon.store.chunk_store import read_file  # brings pyarrow, 90 ms, which finding a run does not need
    from datamon.store.manifest import find_entry, read_manifest

    hidden = runs_repo(store)
    bundle = live_bundle(store.logs.repo(hidden.id), hidden, streams)
    try:
        entry = find_entry(store.metadata, read_manifest(store.metadata, bundle.manifest), name)
    except NotFound:
        return
    yield from read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe)
