"""One statement that is being answered: where, with which values, and what its references mean."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb

from datamon.query.language.faults import fault
from datamon.query.language.references import Target, bundle_target, is_of_run, run_target
from datamon.query.language.statement import Closure, Produced, Ref, Select, Source, Stale
from datamon.query.place import Place
from datamon.query.values import Params
from datamon.store.opening import Store

Row = tuple[object, ...]
Columns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source gives."""

    columns: Columns
    rows: list[Row]
    truncated: bool = False


@dataclass(slots=True)
class Asking:
    """One statement being answered: where, with which values, and what has been found out so far."""

    store: Store
    text: str
    params: Params
    place: Place
    targets: dict[int, Target] = field(default_factory=dict)
    """By where the reference begins in the statement."""
    notes: list[str] = field(default_factory=list)

    def target(self, ref: Ref) -> Target:
        """What a reference of the statement means."""
        return self.targets[ref.span.start]

    def note(self, said: str) -> None:
        """The answer says this to the person who asked, once."""
        if said not in self.notes:
            self.notes.append(said)


def find_bundles(asking: Asking, select: Select) -> None:
    """Every reference to a bundle or a file has its target. Raises as `bundle_target`."""
    for source, ref in _references(select):
        if not is_of_run(ref):
            deleted = isinstance(source, Produced) or (isinstance(source, Closure) and "deleted" in source.including)
            target = bundle_target(asking.store, asking.text, ref, asking.params, deleted=deleted)
            asking.targets[ref.span.start] = target
            asking.note(target.note)


def find_runs(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> None:
    """Every reference to a run or a step has its target. Raises as `run_target`."""
    for source, ref in _references(select):
        if is_of_run(ref):
            if isinstance(source, Produced):
                raise fault(asking.text, ref.span, "expected a bundle or a file; UPSTREAM OF says what a run read")
            target = run_target(connection, asking.text, ref, asking.params)
            asking.targets[ref.span.start] = target
            asking.note(target.note)


def _references(select: Select) -> Iterator[tuple[Source, Ref]]:
    for placed in select.sources:
        ref = placed.source.of if isinstance(placed.source, Stale) else placed.source.ref
        if ref is not None:
            yield placed.source, ref
