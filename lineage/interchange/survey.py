"""Which runs a word of the command line means, and which runs lie above them: asked of the journal, without an index."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from datamon.errors import NotFound
from datamon.lineage.records import RUN_CLOSED, RUN_KINDS, RUN_OPENED, run_of
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.opening import Store
from datamon.store.resolve import find_by_part, resolve

BATCH = 20_000
"""So many journal records are held at once."""


@dataclass
class Survey:
    """The graph of the runs in the journal: what each read, in the order told last, and who wrote each bundle."""

    read: dict[RunId, tuple[tuple[RepoId, BundleId], ...]] = field(default_factory=dict)
    wrote: dict[BundleId, RunId] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> "Survey":
        """The graph as the journal tells it now; some hundred bytes for each run. Raises Corrupt, Denied, Unavailable."""
        survey = cls()
        closed: set[RunId] = set()
        opened: set[RunId] = set()
        for event in run_events(store):
            run = run_of(event)
            if event["kind"] == RUN_OPENED:
                opened.add(run)
                if run not in closed:
                    survey.read[run] = _inputs(event["run"])
            elif event["kind"] == RUN_CLOSED and run not in closed:
                closed.add(run)
                survey.read[run] = _inputs(event["close"])
                for each in event["close"]["outputs"]:
                    survey.wrote.setdefault(BundleId(each["bundle"]), run)
        for run in closed - opened:  # the journal has lost its beginning: nothing can be told of it
            del survey.read[run]
        return survey

    def closure(self, store: Store, start: RunId) -> list[RunId]:
        """`start` and every run above it, each behind all that lie above it. Bundles that stand in for others have the run that
        the log names."""
        order: list[RunId] = []
        seen = {start}
        waiting: list[tuple[RunId, Iterator[RunId]]] = [(start, self._above(store, start))]
        while waiting:
            run, above = waiting[-1]
            following = next((each for each in above if each not in seen), None)
            if following is None:
                order.append(run)
                waiting.pop()
            else:
                seen.add(following)
                waiting.append((following, self._above(store, following)))
        return order

    def _above(self, store: Store, run: RunId) -> Iterator[RunId]:
        for repo, bundle in self.read[run]:
            writer = self.writer(store, repo, bundle)
            if writer is not None:
                yield writer

    def writer(self, store: Store, repo: RepoId, bundle: BundleId) -> RunId | None:
        """The run that wrote the bundle, or None when a person did or it is not known."""
        if bundle in self.wrote:
            return self.wrote[bundle]
        kept = store.logs.repo(repo).bundles.get(bundle)
        named = kept.run if kept is not None else None
        return named if named in self.read else None


def _inputs(record: Record) -> tuple[tuple[RepoId, BundleId], ...]:
    return tuple((RepoId(each["repo"]), BundleId(each["bundle"])) for each in record["inputs"])


def run_events(store: Store) -> Iterator[Record]:
    """Every journal record that speaks of a run, as they lie there. Raises Corrupt, Denied, Unavailable."""
    yield from (event for event in journal_events(store) if event["kind"] in RUN_KINDS)


def journal_events(store: Store) -> Iterator[Record]:
    """Every journal record, a batch of them in memory. Raises as `run_events`."""
    cursor: Record = {}
    while True:
        events, cursor = store.journal.read(cursor, limit=BATCH)
        yield from events
        if len(events) < BATCH:
            return


def meant_run(store: Store, survey: Survey, text: str) -> RunId:
    """The run that `text` means: what wrote the bundle that a reference gives (a repo's name is one), else the one of this id or
    part of one.

    Raises NotFound (`run-not-found`, and as `resolve` does), Invalid (`ambiguous-id`, `bad-reference`, `bad-name`).
    """
    if "@" not in text and ":" not in text and text not in store.logs.store().names:
        return RunId(find_by_part(text, survey.read, kind="run"))
    found = resolve(store, text)
    writer = survey.writer(store, found.repo.id, found.bundle.id)
    if writer is None:
        raise NotFound(
            "run-not-found",
            f"no recorded run wrote {text!r} (bundle {found.bundle.id}); name a run, or a bundle that a run wrote",
            id=text,
        )
    return writer


def selected(store: Store, texts: Iterable[str], *, closure: bool) -> list[RunId]:
    """The runs that the texts mean, with `closure` each behind all runs above it; none twice. Raises as `meant_run`."""
    survey = Survey.of(store)
    runs = [meant_run(store, survey, text) for text in texts]
    if closure:
        runs = [above for run in runs for above in survey.closure(store, run)]
    return list(dict.fromkeys(runs))
