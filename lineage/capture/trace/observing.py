"""What was seen of a run's files becomes part of its record: reads of each input, inputs that nobody declared, the rest."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import DatamonError
from datamon.lineage.capture.trace.accesses import Traced
from datamon.lineage.capture.trace.sorting import Places, Sorted, sort_accesses
from datamon.lineage.records import Capture, InputRecord
from datamon.store.opening import Store

KEPT_PATHS = 5_000
"""Of an input of which a run read more, it is recorded that all of it was read."""
KEPT_UNDECLARED = 200
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """What the close of a run says: its inputs, with those that were observed behind the declared ones, and its capture."""

    inputs: tuple[InputRecord, ...]
    capture: Capture
    notes: tuple[str, ...]


def observe(store: Store, traced: Traced, declared: Sequence[InputRecord], places: Places) -> Observed:
    """What `traced` means for a run with these inputs, which lay in `places`."""
    found = sort_accesses(traced.accesses, places)
    inputs = [
        _with_reads(record, traced, found.read[number], found.absent[number]) for number, record in enumerate(declared)
    ]
    observed, undeclared = _observed(store, traced, found, {record.role for record in declared})
    capture = Capture(
        method=traced.method,
        blind_spots=traced.blind_spots,
        undeclared=tuple(undeclared[:KEPT_UNDECLARED]),
        undeclared_count=len(undeclared),
        written=tuple(found.written[:KEPT_UNDECLARED]),
        written_count=len(found.written),
        reads=found.reads,
        writes=found.writes,
        absent=found.lookups,
        system=found.system,
        truncated=traced.truncated or max(len(undeclared), len(found.written)) > KEPT_UNDECLARED,
        whole=traced.whole,
    )
    return Observed((*inputs, *observed), capture, (*traced.notes, *_notes(observed, undeclared)))


def _with_reads(record: InputRecord, traced: Traced, read: set[str], absent: set[str]) -> InputRecord:
    if not traced.whole or len(read) + len(absent) > KEPT_PATHS:
        return record
    return replace(record, read=tuple(sorted(read)), absent=tuple(sorted(absent)))


def _observed(store: Store, traced: Traced, found: Sorted, taken: set[str]) -> tuple[list[InputRecord], list[str]]:
    """Inputs that nobody declared, but that lie where datamon put a bundle; and the undeclared reads that are left."""
    if not found.undeclared:
        return [], []
    from datamon.lineage.capture.trace.checkouts import Checkouts  # brings pyarrow

    checkouts = Checkouts(store)
    read: defaultdict[Path, set[str]] = defaultdict(set)
    rest: list[str] = []
    for path in found.undeclared:
        top = checkouts.holding(Path(path))
        if top is None:
            rest.append(path)
        else:
            read[top].add(os.path.relpath(path, top))
    inputs: list[InputRecord] = []
    for top, paths in read.items():
        try:
            record = checkouts.record(top, taken)
        except DatamonError:
            record = None
        if record is None:
            rest += [str(top / path) for path in sorted(paths)]
        else:
            taken.add(record.role)
            inputs.append(_with_reads(record, traced, paths, set()))
    return inputs, rest


def _notes(observed: Sequence[InputRecord], undeclared: Sequence[str]) -> list[str]:
    notes = [
        f"read {each.repo_name}:{each.bundle} in {each.directory}, which no input declares; it is recorded as observed"
        for each in observed
    ]
    if undeclared:
        shown = ", ".join(undeclared[:_SHOWN]) + (" …" if undeclared[_SHOWN:] else "")
        files = "1 file" if len(undeclared) == 1 else f"{len(undeclared)} files"
        notes.append(f"read {files} that no input declares: {shown}")
    return notes
