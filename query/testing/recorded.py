"""Random histories, really recorded, with steps that read and write one repo and runs that repeat what was written."""

import random
from dataclasses import dataclass, field, replace

from datamon.errors import Conflict, NotFound
from datamon.lineage.records import Param, Status
from datamon.query.testing.late_journal import LateJournal
from datamon.query.testing.random_histories import Event, Label, Run, Unlabel, Upload, random_history
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.ids import BundleId
from datamon.store.opening import memory_store
from datamon.store.refs import delete_label, set_label
from datamon.store.testing.clocks import SteppingClock


@dataclass
class Recorded:
    """A history as a store has it: bundles (repo, id), runs, and the refs (repo, name) that there are."""

    world: World
    heads: dict[tuple[str, str], str] = field(default_factory=dict)
    bundles: list[tuple[str, str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    @property
    def refs(self) -> list[tuple[str, str]]:
        """The refs, in an order of their own."""
        return sorted(self.heads)


def recorded(seed: int, *, late: bool = False) -> Recorded:
    """The history of a seed, recorded: labels are frozen and deleted, runs fail, read and write one repo, and repeat what was
    written. With `late` its records arrive shuffled and late, and some runs are imported at the end."""
    store = memory_store(clock=SteppingClock())
    journal = LateJournal(store.journal, seed)
    history = Recorded(World(replace(store, journal=journal) if late else store))
    draw = random.Random(seed)  # noqa: S311 (a seeded history, no secret)
    for event in random_history(seed):
        _perform(history, event)
        if isinstance(event, Run) and draw.random() < 0.15:
            _perform(history, event)  # the same once more: equal content, another bundle
        if isinstance(event, Run) and draw.random() < 0.1:
            target = next(iter(event.writes))
            again = Run("s5", ((target, "main", ""),), {target: {"f": draw.choice("ab"), "h": "1"}}, False, "c1", "1")
            _perform(history, again)  # reads one repo and writes it
    if late:
        journal.arrive(store)
        history.world.store = store
    return history


def _perform(history: Recorded, event: Event) -> None:
    world = history.world
    if isinstance(event, Upload):
        bundle = world.upload(event.repo, event.files)
        history.bundles.append((event.repo, bundle.id))
        history.heads[event.repo, "main"] = bundle.id
    elif isinstance(event, Label):
        head = history.heads.get((event.repo, "main"))
        if head is not None:
            try:
                set_label(world.store, world.repo(event.repo), event.name, BundleId(head), frozen=event.frozen)
            except Conflict:  # it is frozen
                return
            history.heads[event.repo, event.name] = head
    elif isinstance(event, Unlabel):
        try:
            delete_label(world.store, world.repo(event.repo), event.name)
        except (NotFound, Conflict):
            return
        del history.heads[event.repo, event.name]
    else:
        _record(history, event)


def _record(history: Recorded, event: Run) -> None:
    reads = tuple(text for read in event.reads if (text := _readable(history, *read)))
    params = (Param("p", event.param),)
    status: Status = "failed" if event.fails else "succeeded"
    did: Did = history.world.run(
        Doing(event.step, reads, event.writes, status, fingerprint=event.fingerprint, params=params)
    )
    history.runs.append(did.run)
    for wrote in did.outputs:
        history.bundles.append((wrote.repo_name, wrote.bundle))
        history.heads[wrote.repo_name, "main"] = wrote.bundle


def _readable(history: Recorded, repo: str, ref: str, path: str) -> str | None:
    head = history.heads.get((repo, "main"))
    if head is None:
        return None
    text = f"{repo}@{head if ref == 'id' else ref}" + (f":{path}" if path else "")
    try:
        history.world.read(text)
    except NotFound:
        return None
    return text
