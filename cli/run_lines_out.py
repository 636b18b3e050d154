"""`datamon run export --format ndjson`: the records of runs, for other stores."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from datamon.cli.durations import duration_ns
from datamon.cli.output import note, pass_on
from datamon.cli.progress import watching
from datamon.lineage.interchange.files import write_pieces
from datamon.store.clock import Clock
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are wanted: those named, with every run upstream of them for a `closure`, or all; of these, those that began
    since then."""

    runs: tuple[str, ...]
    every: bool = False
    since: str | None = None
    closure: bool = False


def export_lines(store: Store, wanted: Wanted, output: Path | None) -> None:
    """A line for each run is in the file, which is whole or as it was, or was printed.
    Raises as `selected` and `write_pieces`."""
    from datamon.lineage.bulk.export import Selection, export_runs  # sqlite3, 10 ms, which `run record` does not need
    from datamon.lineage.interchange.survey import selected

    chosen = None if wanted.every else frozenset(selected(store, wanted.runs, closure=wanted.closure))
    selection = Selection(chosen, None if wanted.since is None else since_ns(wanted.since, store.clock))
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for count, line in enumerate(export_runs(store, selection, progress=progress), 1):  # noqa: B007 (counted)
            yield line

    with watching() as progress:
        if output is not None:
            write_pieces(output, lines())
        else:
            for line in lines():
                pass_on(line)
    note(f"exported {count:,} runs")


def since_ns(text: str, clock: Clock) -> int:
    """The time in nanoseconds that a date, a time or a span before now says. Raises Invalid (`bad-argument`).

    >>> since_ns("1970-01-02", lambda: 0) // 10**9, since_ns("5s", lambda: 7 * 10**9) // 10**9
    (86400, 2)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return clock() - duration_ns(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 10**9
