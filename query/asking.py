"""One statement that is being answered: where, with which values, and what its references mean."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import duckdb

from datamon.query.language.column_names import column_name
from datamon.query.language.faults import fault
from datamon.query.language.references import Target, bundle_target, is_of_bundle, is_of_run, run_target
from datamon.query.language.statement import Contains, Produced, Ref, Select, Source, options, references
from datamon.query.past import Past, moment, open_past, past_store
from datamon.query.place import PAST, Place
from datamon.query.values import Params
from datamon.store.log import UpTo
from datamon.store.opening import Store

Row = tuple[object, ...]
Columns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source gives."""

    columns: Columns
    rows: list[Row]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """What a source is answered from: the store, what the index knows of it, and the working tree, now or at the moment that was
    asked about, when there is no working tree."""

    store: Store
    connection: duckdb.DuckDBPyConnection
    place: Place


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
    pasts: dict[UpTo, Past] = field(default_factory=dict)
    closing: ExitStack = field(default_factory=ExitStack)
    plan: str | None = None
    """The SQL by which alone it was answered, of which nothing but the text of the statement decides."""

    def target(self, ref: Ref) -> Target:
        """What a reference of the statement means."""
        return self.targets[ref.span.start]

    def note(self, said: str) -> None:
        """The answer says this to the person who asked, once."""
        if said not in self.notes:
            self.notes.append(said)

    def world(self, connection: duckdb.DuckDBPyConnection, source: Source) -> World:
        """What a source is answered from; `connection` is to the index as it is now. Raises Invalid (`bad-statement`) for a
        moment that is none."""
        upto = moment(self.text, options(source), self.params)
        if upto is None:
            return World(self.store, connection, self.place)
        if upto not in self.pasts:
            self.pasts[upto] = open_past(self.store, connection, upto)
            self.closing.callback(self.pasts[upto].connection.close)
        return World(self.pasts[upto].store, self.pasts[upto].connection, PAST)


def find_bundles(asking: Asking, select: Select) -> None:
    """Every reference to a bundle or a file has its target. Raises as `bundle_target`."""
    for source, ref in _references(select):
        if is_of_bundle(ref) or ref.form == "column":
            upto = moment(asking.text, options(source), asking.params)
            store = asking.store if upto is None else past_store(asking.store, upto)
            deleted = isinstance(source, Produced | Contains) or "deleted" in options(source).including
            named = column_name(asking.text, ref, asking.params).bundle if ref.form == "column" else ref
            target = bundle_target(store, asking.text, named, asking.params, deleted=deleted)
            asking.targets[ref.span.start] = target
            asking.note(target.note)


def find_runs(asking: Asking, select: Select, connection: duckdb.DuckDBPyConnection) -> None:
    """Every reference to a run or a step has its target. Raises as `run_target`."""
    for source, ref in _references(select):
        if is_of_run(ref):
            if isinstance(source, Produced):
                raise fault(asking.text, ref.span, "expected a bundle or a file; UPSTREAM OF says what a run read")
            world = asking.world(connection, source)
            target = run_target(world.connection, asking.text, ref, asking.params)
            asking.targets[ref.span.start] = target
            asking.note(target.note)


def _references(select: Select) -> Iterator[tuple[Source, Ref]]:
    for placed in select.sources:
        for ref in references(placed.source):
            yield placed.source, ref
