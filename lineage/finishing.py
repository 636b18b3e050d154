"""Finishes, from any later command, what stopped recorders left undone: ref moves that were meant, runs nobody will close."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.lineage.capture.host import presence
from datamon.lineage.path_use import forget_use
from datamon.lineage.records import RUN_ABANDONED, Host, PlannedMove, Run
from datamon.lineage.ref_moves import make_moves
from datamon.lineage.unfinished import drop_mark, marked_runs, unfinished_runs
from datamon.lineage.unmarked import mark_again
from datamon.lineage.workplace import sweep
from datamon.store import layout
from datamon.store.codec import decode_sealed
from datamon.store.ids import RunId
from datamon.store.opening import Store

GRACE_NS = 10 * 60 * 10**9
"""For so long after a run of another host was closed, its recorder may still be moving the refs that it lost to others."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of one run that had been left unfinished. `moved` and `lost` are the ref moves that were made now or before,
    and those that were not because the ref stands elsewhere by now. `step` is `pipeline/step`, if the run was opened at all."""

    run: RunId
    what: Literal["moved", "abandoned", "never-opened"]
    step: str | None = None
    moved: tuple[PlannedMove, ...] = ()
    lost: tuple[PlannedMove, ...] = ()

    @property
    def message(self) -> str:
        """One sentence for a person."""
        if self.what == "abandoned":
            return f"run {self.run} of {self.step} was stopped before its end was recorded; it is abandoned and moved no ref"
        if self.what == "never-opened":
            return f"run {self.run} was stopped before it began"
        if not self.lost:
            return f"run {self.run} of {self.step} had ended but not moved its refs; they are moved now"
        refs = ", ".join(f"{move.ref_kind} {move.ref!r}" for move in self.lost)
        return f"run {self.run} of {self.step} had ended but not moved its {refs}, moved by others since; its outputs are kept"


def finish_pending(store: Store, host: Host) -> list[Finished]:
    """Every run that is marked as open, and that can be finished from `host`, is finished when this returns; reading nothing but
    one listing when none is marked (and once after a start of the machine what the journal tells).

    A run that was closed has its ref moves made as far as the refs still stand where it found them. One that was not closed is
    abandoned when it was opened on this host and its process is gone. Runs whose recorder is there, or may be, stay as they are.
    Doing it twice, or at once with others, changes nothing more. Raises Unavailable, Denied, Corrupt.
    """
    mark_again(store, host)
    present = {run: _presence(recorder, host) for run, recorder in _marks(store)}
    at_hand = [run for run, there in present.items() if there != "here"]
    if not at_hand:
        return []
    recorded = unfinished_runs(store)
    # A recorder that is gone by now may have ended its run before it went: then the mark is gone as well.
    left = [run for run in at_hand if store.metadata.has(layout.open_run(run))]
    found = [_finish(store, run, recorded.get(run), present[run] == "gone") for run in left]
    if "gone" in present.values():
        sweep(store, host)
    return [finished for finished in found if finished is not None]


def _presence(recorder: Host | None, host: Host) -> Literal["here", "gone", "unknown"]:
    return presence(recorder, host) if recorder is not None else "unknown"


def _marks(store: Store) -> Iterable[tuple[RunId, Host | None]]:
    """The runs marked as open, each with the host that opened it (None when the mark does not tell)."""
    for run in list(marked_runs(store)):
        key = layout.open_run(run)
        try:
            record = decode_sealed(store.metadata.get(key), f"{store.metadata.url}/{key}")
            yield run, Host.from_record(record["host"])
        except NotFound:
            continue  # ended meanwhile
        except (KeyError, Corrupt):  # what a power cut left: its host marks it again
            yield run, None


def _finish(store: Store, run: RunId, recorded: Run | None, gone: bool) -> Finished | None:
    """What was done, or None when nothing may be done."""
    if recorded is not None and recorded.closed is not None:
        return _make_moves(store, recorded, gone)
    if not gone:
        return None
    if recorded is None or recorded.abandoned_ns is None:
        store.journal.append({"kind": RUN_ABANDONED, "run": run})
        # Where only the end of a record's line was torn off, this has completed it, so that it counts after all.
        recorded = unfinished_runs(store).get(run)
        if recorded is not None and recorded.closed is not None:
            return _make_moves(store, recorded, gone)
    step = f"{recorded.opened.pipeline}/{recorded.opened.step}" if recorded else None
    forget_use(store, run)
    drop_mark(store, run)
    return Finished(run, "abandoned" if recorded else "never-opened", step)


def _make_moves(store: Store, recorded: Run, gone: bool) -> Finished | None:
    assert recorded.closed is not None
    moves = recorded.closed.moves
    try:
        lost = make_moves(store, recorded.id, moves)
    except DatamonError as error:
        error.add_note(f"while finishing run {recorded.id}")
        raise
    if lost and not gone and store.clock() - recorded.closed.ended_ns < GRACE_NS:
        return None
    forget_use(store, recorded.id)
    drop_mark(store, recorded.id)
    step = f"{recorded.opened.pipeline}/{recorded.opened.step}"
    return Finished(
        run=recorded.id,
        what="moved",
        step=step,
        moved=tuple(move for move in moves if move not in lost),
        lost=tuple(lost),
    )
