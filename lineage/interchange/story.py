"""What an export tells: runs, what they ran in, and the bundles that they name."""

from collections.abc import Iterable
from dataclasses import dataclass

from datamon.errors import NotFound
from datamon.lineage.finding import environment_of
from datamon.lineage.interchange.survey import run_events
from datamon.lineage.records import RUN_CLOSED, RUN_OPENED, Environment, Run, combine, run_of
from datamon.store.bundle import Bundle
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Story:
    """A run. `bundles` are its inputs and outputs as far as the logs have them, `parent` the run within which it ran, `opening`
    and `closing` what the journal holds of it, word for word."""

    run: Run
    environment: Environment | None
    bundles: dict[BundleId, Bundle]
    parent: Run | None
    opening: Record
    closing: Record | None

    @property
    def step(self) -> str:
        """Its pipeline and step, as people write them."""
        return f"{self.run.opened.pipeline}/{self.run.opened.step}"


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told, upstream first, of which store."""

    store: Store
    stories: tuple[Story, ...]


def tell(store: Store, runs: Iterable[RunId]) -> Telling:
    """The stories of these runs, in this order; reads the journal once or, where there are parents, twice. Raises NotFound when a
    run is not in the journal, Corrupt, Denied, Unavailable."""
    wanted = list(runs)
    events = _events_of(store, frozenset(wanted))
    combined = {run: combine(told) for run, told in events.items()}
    parents = {run.opened.parent for run in combined.values() if run is not None and run.opened.parent}
    missing = frozenset(parents - combined.keys())
    if missing:
        combined |= {run: combine(told) for run, told in _events_of(store, missing).items()}
    stories = []
    for identity in wanted:
        run = combined.get(identity)
        if run is None:
            raise NotFound("run-not-found", f"no run has the id {identity}; list the runs and look again", id=identity)
        parent = combined.get(run.opened.parent) if run.opened.parent else None
        stories.append(_story(store, run, parent, events[identity]))
    return Telling(store, tuple(stories))


def _events_of(store: Store, runs: frozenset[RunId]) -> dict[RunId, list[Record]]:
    events: dict[RunId, list[Record]] = {}
    for event in run_events(store):
        run = run_of(event)
        if run in runs:
            events.setdefault(run, []).append(event)
    return events


def _story(store: Store, run: Run, parent: Run | None, events: list[Record]) -> Story:
    bundles: dict[BundleId, Bundle] = {}
    named = {each.bundle: each.repo for each in run.inputs} | {each.bundle: each.repo for each in run.outputs}
    for bundle, repo in named.items():
        kept = bundle_of(store, repo, bundle)
        if kept is not None:
            bundles[bundle] = kept
    opening = first_of(events, RUN_OPENED)
    assert opening is not None, "the run could be combined"
    closing = first_of(events, RUN_CLOSED)
    return Story(run, environment_of(store, run), bundles, parent, opening, closing)


def bundle_of(store: Store, repo: RepoId, bundle: BundleId) -> Bundle | None:
    """The bundle as the log of its repo has it, deleted or not; None when no log has it."""
    return store.logs.repo(repo).bundles.get(bundle)


def first_of(events: Iterable[Record], kind: str) -> Record | None:
    """What the record of this kind that counts says of the run: the earliest, as in `combine`."""
    fitting = sorted((e for e in events if e["kind"] == kind), key=lambda e: (e["time"], e["event"]))
    if not fitting:
        return None
    told: Record = fitting[0]["run" if kind == RUN_OPENED else "close"]
    return told
