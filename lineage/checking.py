"""What only lineage can check: that each run is recorded whole, and that what it names is there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from datamon.errors import Corrupt
from datamon.lineage.records import RUN_ABANDONED, RUN_CLOSED, RUN_KINDS, RUN_OPENED, RunClosed, RunOpened, run_of
from datamon.lineage.unfinished import marked_runs
from datamon.store import layout
from datamon.store.check.findings import Finding, capped, damage, notice
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.journal import Cursor
from datamon.store.opening import Store

_BATCH = 20_000
_MOST_TOLD = 20
_NEXT = "run `datamon repair --from` with a copy of the store"


@dataclass
class _Seen:
    """The runs that the journal tells of, and how far it was read."""

    opened: set[RunId] = field(default_factory=set)
    ended: set[RunId] = field(default_factory=set)
    spoken_of: set[RunId] = field(default_factory=set)
    cursor: Cursor = field(default_factory=dict)


def check_runs(store: Store) -> Iterator[Finding]:
    """Every run was opened and has ended or is marked as open; its environment is kept; every bundle that it names stands in a
    log, though it may have been deleted; every run that a bundle names is in the journal. Nothing is written.

    In memory: the logs of the repos that runs name, and about 300 bytes for each run. Raises Invalid (`newer-format`), Denied,
    Unavailable; damaged records are passed over: the store's own check tells of them.
    """
    yield from capped(_found(store), _MOST_TOLD * 5)


def _found(store: Store) -> Iterator[Finding]:
    known = _Known(store)
    seen = _Seen()
    named = known.runs_named()  # before the journal is read: a run stands there before its first bundle
    try:
        yield from _read_on(store, seen, known)
        marked = set(marked_runs(store))
        yield from _read_on(store, seen, known)  # a run ends in the journal before its mark goes
    except Corrupt:
        return  # a part of the journal cannot be read, of which the store's own check tells: nothing can be said of runs
    for run in sorted(seen.spoken_of - seen.opened):
        yield damage("run-incomplete", f"the journal has lost the beginning of run {run}; {_NEXT}")
    for run in sorted(seen.opened - seen.ended - marked):
        key = layout.open_run(run)
        message = f"run {run} was opened, and neither its end is in the journal nor its mark at {key}; {_NEXT}"
        yield damage("run-incomplete", message, key)
    for run in sorted(marked - seen.spoken_of):
        key = layout.open_run(run)
        if store.metadata.has(key):
            message = (
                f"run {run} is marked as open at {key} and was never opened: its recorder was stopped or is at work"
            )
            yield notice("run-incomplete", f"{message}, or the journal has lost its last record", key)
    for run, (repo, bundle) in sorted(named.items()):
        if run not in seen.opened:
            message = f"the bundle {bundle} of {repo!r} is an output of run {run}, which the journal has lost; {_NEXT}"
            yield Finding("run-incomplete", "damage", message, None, repo, bundle)


def _read_on(store: Store, seen: _Seen, known: "_Known") -> Iterator[Finding]:
    while True:
        events, seen.cursor = store.journal.read(seen.cursor, limit=_BATCH)
        for event in events:
            if event["kind"] in RUN_KINDS:
                yield from _event(event, seen, known)
        if len(events) < _BATCH:
            return


def _event(event: Record, seen: _Seen, known: "_Known") -> Iterator[Finding]:
    try:
        run = run_of(event)
        seen.spoken_of.add(run)
        if event["kind"] == RUN_OPENED:
            opened = RunOpened.from_record(event["run"])
            seen.opened.add(run)
            yield from known.environment(run, opened.environment)
            yield from known.bundles(run, _named_at_first(opened, RepoId(known.store.id)))
        elif event["kind"] == RUN_CLOSED:
            closed = RunClosed.from_record(event["close"])
            seen.ended.add(run)
            yield from known.bundles(run, _named_by(closed, RepoId(known.store.id)))
        elif event["kind"] == RUN_ABANDONED:
            seen.ended.add(run)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"a journal record of a run cannot be read ({error!r}); please report it"
        yield damage("bad-record", message, layout.JOURNAL)


def _named_at_first(opened: RunOpened, hidden: RepoId) -> set[tuple[RepoId, BundleId]]:
    read = {(each.repo, each.bundle) for each in opened.inputs}
    return read | ({(hidden, opened.code.bundle)} if opened.code.bundle else set())


def _named_by(closed: RunClosed, hidden: RepoId) -> set[tuple[RepoId, BundleId]]:
    read = {(each.repo, each.bundle) for each in closed.inputs}
    written = {(each.repo, each.bundle) for each in closed.outputs}
    return read | written | ({(hidden, closed.streams)} if closed.streams else set())


class _Known:
    """What is in the store for runs to name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._environments = {stored.key for stored in store.metadata.list(layout.ENVIRONMENTS)}
        self._bundles: dict[RepoId, frozenset[BundleId] | None] = {}
        self._told: set[str] = set()

    def environment(self, run: RunId, digest: str | None) -> Iterator[Finding]:
        """Tells when the environment is gone, once."""
        if digest is None or layout.environment(digest) in self._environments:
            return
        key = layout.environment(digest)
        if key not in self._told and not self.store.metadata.has(key):
            self._told.add(key)
            yield damage(
                "missing-bytes", f"the environment {key} is gone, which run {run} and perhaps others had; {_NEXT}", key
            )

    def bundles(self, run: RunId, named: set[tuple[RepoId, BundleId]]) -> Iterator[Finding]:
        """Tells of each bundle that no log has."""
        for repo, bundle in sorted(named):
            there = self._of(repo)
            if there is None or bundle in there or bundle in self.store.logs.repo(repo).bundles:
                continue
            message = f"run {run} names the bundle {bundle}, which the log of the repo {repo} does not have; {_NEXT}"
            yield Finding("unknown-bundle", "damage", message, layout.log(repo), repo, bundle)

    def runs_named(self) -> dict[RunId, tuple[str, BundleId]]:
        """The runs that bundles name, each with a repo and a bundle that does."""
        named: dict[RunId, tuple[str, BundleId]] = {}
        try:
            repos = self.store.logs.store().repos
        except Corrupt:
            return named
        for repo in (*repos, RepoId(self.store.id)):
            if self._of(repo) is None:
                continue
            name = repos[repo].name if repo in repos else repo
            for bundle in self.store.logs.repo(repo).bundles.values():
                if bundle.run is not None:
                    named.setdefault(bundle.run, (name, bundle.id))
        return named

    def _of(self, repo: RepoId) -> frozenset[BundleId] | None:
        """All bundles ever made in the repo; None when its log cannot be read."""
        if repo not in self._bundles:
            try:
                self._bundles[repo] = frozenset(self.store.logs.repo(repo).bundles)
            except Corrupt:
                self._bundles[repo] = None
        return self._bundles[repo]
