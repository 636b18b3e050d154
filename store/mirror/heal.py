"""Heal: the sides of a mirrored store are made equal, and each side that is whole again counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from datamon.errors import Conflict, Unavailable
from datamon.store import layout
from datamon.store.backend.arbiter import mark_key, whole_key
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.check.packs import Sample
from datamon.store.mirror.compare import Told, hear_logs, sampled
from datamon.store.mirror.logs import align, strandeds
from datamon.store.mirror.opening import Mirror
from datamon.store.mirror.shelves import Shelf, in_parallel, right_content, shelves, swept_names
from datamon.store.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class Healing:
    """How sides are to be made equal: of which packs every side's bytes are read although listings agree, and who listens."""

    sample: Sample
    progress: Progress = SILENT


def heal(mirror: Mirror, healing: Healing) -> int:
    """The sides that can be reached are equal and count when this returns, as far as one of them has each thing right; returns
    how many things were put or deleted. Every byte is verified before it is taken. Others may write meanwhile; being stopped at
    any point does no harm, and what was done need not be done again.

    What a side wrote after it was passed over is set aside under `stranded/` on every side, and only then replaced:
    `keep_bundles` makes its bundles stand. What a gc has deleted is deleted where it is left. Raises Unavailable
    (`first-side-lost`) when the logs cannot be told, since the side that decides does not answer or its promotion was stopped,
    and Conflict (`epoch-passed`).
    """
    told = hear_logs(mirror)
    _check_logs_known(mirror, told)
    sides = mirror.metadata.sides.backends
    mark = mark_key(layout.EPOCHS, told.standing.epoch)
    record = mirror.metadata.get(mark)
    for name in told.names:
        sides[name].put_if_absent(mark, record)
    swept = swept_names(told.truth)
    # Logs come last: what they point at is there before.
    changed = sum(_fill(backend, told.names, swept, healing) for backend in mirror.kept)
    told = hear_logs(mirror)
    _check_logs_known(mirror, told)
    changed += _align_logs(mirror, told)
    _check_same_epoch(mirror, told)
    for name in told.names:
        sides[name].put_if_absent(whole_key(layout.EPOCHS, told.standing.epoch), record)
    _share_history(mirror, told.names)
    mirror.arbiter.refresh()
    return changed


def _share_history(mirror: Mirror, names: Sequence[str]) -> None:
    """Each of these sides, which are whole now, has the records of all epochs. Of two that were made for one epoch, by a
    promotion that was stopped and done again, that of the side that decided in it counts."""
    sides = mirror.metadata.sides.backends
    kept: dict[str, dict[str, bytes]] = {}
    for name in names:
        for stored in sides[name].list(layout.EPOCHS):
            kept.setdefault(stored.key, {})[name] = sides[name].get(stored.key)
    for key, records in kept.items():
        first = key.removeprefix(layout.EPOCHS).partition("-")[2].partition(".")[0]
        record = records.get(first) or min(records.values())
        for name in names:
            if records.get(name) != record:
                sides[name].put(key, record)


def _check_logs_known(mirror: Mirror, told: Told) -> None:
    """Returns when it is certain which entries count: the side that decides says so or, where it has lost the store, so many
    whole sides that one of them has each acknowledged entry."""
    standing = told.standing
    lost = standing.first in told.accounts.logs and len(told.accounts.whole) >= mirror.arbiter.believed
    if told.accounts.decider is None and not lost:
        stopped = standing.first in told.accounts.logs and not told.accounts.whole
        why = "its promotion was stopped" if stopped else "it, or others with its entries, cannot be reached"
        message = (
            f"the side {standing.first!r} decides on the logs, and {why}; wait for it, or run `datamon store promote` with a "
            "side that is there"
        )
        raise Unavailable("first-side-lost", message, side=standing.first)


def _check_same_epoch(mirror: Mirror, told: Told) -> None:
    if mirror.arbiter.refresh().epoch != told.standing.epoch:
        message = "another side was promoted during the repair; run `datamon repair` again"
        raise Conflict("epoch-passed", message, epoch=str(told.standing.epoch))


def _align_logs(mirror: Mirror, told: Told) -> int:
    sides = mirror.metadata.sides.backends
    for stranded in strandeds(told.accounts, told.truth):
        for name in told.names:
            sides[name].put(stranded.kept_key, stranded.content)
    return sum(align(sides[name], told.accounts.logs[name], told.truth) for name in told.names)


def _fill(backend: MirroredBackend, names: Sequence[str], swept: frozenset[str], healing: Healing) -> int:
    """What one side lacks or has damaged is taken from another."""
    listed = list(shelves(backend, names))
    taken = sampled(listed, healing.sample)
    uneven = [shelf for shelf in listed if not shelf.is_even or shelf.key in swept or shelf.key in taken]
    healing.progress.begin("make the sides equal", len(uneven), None)
    changed = 0
    for count in in_parallel(backend, lambda shelf: _make_even(backend, shelf, swept), uneven):
        changed += count
        healing.progress.advance(1, 0)
    healing.progress.end()
    return changed


def _make_even(backend: MirroredBackend, shelf: Shelf, swept: frozenset[str]) -> int:
    sides = backend.sides.backends
    if shelf.key in swept:
        having = [name for name in shelf.sizes if name not in shelf.lacking]
        for name in having:
            sides[name].delete(shelf.key)
        return len(having)
    right, contents = right_content(backend, shelf)
    if right is None:
        return 0
    wrong = [name for name in shelf.sizes if contents.get(name) != right]
    for name in wrong:
        if name in contents or not sides[name].put_if_absent(shelf.key, right):
            sides[name].put(shelf.key, right)
    return len(wrong)
