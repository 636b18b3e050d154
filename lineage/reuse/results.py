"""Results: which run made which outputs of a computation, kept under the computation's key (docs/format.md, "Results").

A result is a pointer. What it points at is looked at before it is used, and one that points at nothing is dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from datamon.errors import Corrupt, Invalid, NotFound
from datamon.lineage.records import Metric, OutputRecord
from datamon.lineage.reuse.parts import Parts
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.codec import Record, decode_sealed, encode_sealed, stamped
from datamon.store.ids import BundleId, RunId
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of a computation made. `returned` is what its function returned, in a list of one; None where that is not
    known."""

    key: str
    run: RunId
    ended_ns: int
    outputs: tuple[OutputRecord, ...]
    metrics: tuple[Metric, ...] = ()
    streams: BundleId | None = None
    returned: list[object] | None = None

    @property
    def contents(self) -> tuple[tuple[str, str], ...]:
        """What it made: the content of each output, by its role."""
        return tuple(sorted((output.role, output.content) for output in self.outputs))

    def to_record(self) -> Record:
        """As it is stored, without kind and format."""
        return {
            "key": self.key,
            "run": self.run,
            "ended": self.ended_ns,
            "outputs": [each.to_record() for each in self.outputs],
            "metrics": [each.to_record() for each in self.metrics],
            "streams": self.streams,
            "returned": self.returned,
        }

    @classmethod
    def from_record(cls, record: Record) -> "Result":
        """From what is stored."""
        return cls(
            key=record["key"],
            run=RunId(record["run"]),
            ended_ns=record["ended"],
            outputs=tuple(OutputRecord.from_record(each) for each in record["outputs"]),
            metrics=tuple(Metric.from_record(each) for each in record["metrics"]),
            streams=BundleId(record["streams"]) if record["streams"] else None,
            returned=record["returned"],
        )


def keep_result(store: Store, result: Result, parts: Parts) -> None:
    """The result is found under its key from now on, durable when this returns. Raises Unavailable, Denied."""
    record = stamped("result", {**result.to_record(), "parts": dict(parts.values)})
    store.metadata.put(layout.result(result.key, result.run), encode_sealed(record))


@dataclass(frozen=True, slots=True)
class Usable:
    """A result all of whose outputs are there, as the bundles that they are. `others` are runs of the same computation that made
    something else."""

    result: Result
    bundles: tuple[Bundle, ...]
    others: tuple[RunId, ...] = ()


def find_usable(store: Store, key: str) -> Usable | None:
    """The newest result under this key whose outputs are all there; None when there is none. By one listing, and one read for
    each result. Those that lost an output are dropped. Raises Unavailable, Denied."""
    found: list[Usable] = []
    for result in _results(store, key):
        bundles = [_standing(store, output) for output in result.outputs]
        whole = tuple(bundle for bundle in bundles if bundle is not None)
        if len(whole) == len(bundles):
            found.append(Usable(result, whole))
        else:
            store.metadata.delete(layout.result(key, result.run))
    if not found:
        return None
    newest = max(found, key=lambda usable: (usable.result.ended_ns, usable.result.run))
    unlike = sorted(each.result.run for each in found if each.result.contents != newest.result.contents)
    return Usable(newest.result, newest.bundles, tuple(unlike))


def _results(store: Store, key: str) -> Iterator[Result]:
    for stored in list(store.metadata.list(layout.results(key))):
        where = f"{store.metadata.url}/{stored.key}"
        try:
            yield Result.from_record(decode_sealed(store.metadata.get(stored.key), where))
        except (NotFound, Corrupt, KeyError, TypeError):
            continue  # dropped meanwhile, or damaged: a run that could have been spared
        except Invalid:
            continue  # a newer datamon's


def _standing(store: Store, output: OutputRecord) -> Bundle | None:
    if output.repo not in store.logs.store().repos:
        return None
    state = store.logs.repo(output.repo)
    bundle = state.bundles.get(output.bundle)
    return bundle if bundle is not None and bundle.id not in state.deleted else None
