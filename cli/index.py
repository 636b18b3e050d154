"""`datamon index`: this machine's index of the store, which questions read."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from datamon.cli.commands import Phrases
from datamon.cli.index_push import push
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show, show_record
from datamon.cli.rows import moment
from datamon.errors import EXIT_CODES, Corrupt, Invalid
from datamon.store.opening import Store

if TYPE_CHECKING:
    from datamon.query.index.status import IndexStatus

FINDING_COLUMNS = ("severity", "code", "table", "message")
DAMAGE_EXIT = EXIT_CODES[Corrupt][0]

app = typer.Typer(
    cls=Phrases,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="This machine's index of the store, which questions read. It is made from the store, kept level with it by every "
    "question, and may be deleted at any time.",
)


@app.command()
def status(ctx: typer.Context, form: FormatOption = None) -> None:
    """Say where the index lies, how large and how old it is, and what it lacks; changes nothing.

    state is current, behind, absent, sealed (of an encrypted store), unreadable, other-version or other-journal: with every
    one of them the next question is answered rightly, and makes the index good.

    \b
    Examples:
      datamon index status
      datamon index status --format json
    """
    from datamon.query.index.status import index_status  # brings duckdb, 80 ms, which help does not need

    store = open_configured(ctx)
    found = index_status(store, _directory(store))
    show_record(_record(found, store.clock()), form, _lines(found, store.clock()))


@app.command()
def refresh(ctx: typer.Context) -> None:
    """Bring the index level with the store, as every question does; for a quiet moment, so that the next question need not.

    \b
    Example:
      datamon index refresh
    """
    from datamon.cli.asking import index_here  # as above
    from datamon.query.index.status import index_status

    store = open_configured(ctx)
    index_here(store).refresh()
    found = index_status(store, _directory(store))
    if found.state not in ("current", "sealed"):
        note("another process writes the index just now; it is level when that has ended, or at the next question")


@app.command()
def rebuild(ctx: typer.Context) -> None:
    """Make the index anew from the store alone. Questions go on meanwhile with the one there is.

    Nothing needs it but an index in which `datamon index check` found damage: one that cannot be read, or is of another
    version, is made anew by the next question.

    \b
    Example:
      datamon index rebuild
    """
    from datamon.cli.progress import watching
    from datamon.query.graph.file import GraphFile  # as above
    from datamon.query.index.opening import open_index
    from datamon.query.index.status import index_status

    store = open_configured(ctx)
    if index_status(store, _directory(store)).writing:
        note("another process writes the index; waiting until it has ended")
    graph = _directory(store) / store.id / "graph"

    with watching() as progress:
        open_index(store, index_dir=_directory(store), progress=progress).rebuild()
        GraphFile(store, graph, progress).rebuild()


@app.command()
def check(ctx: typer.Context, form: FormatOption = None) -> int:
    """Compare the index with one that is made anew beside it, and tell what differs; exit code 8 when anything is damaged.

    Changes nothing. What the index only lacks yet is no damage. Takes the time of a rebuild, and its room while it lasts. A
    line is severity , code , message.

    \b
    Examples:
      datamon index check
      datamon index check --format jsonl
    """
    from datamon.query.graph.check import check_graph  # as above
    from datamon.query.index.check import check_index

    store = open_configured(ctx)
    found = [*check_index(store, _directory(store)), *check_graph(store, _directory(store))]
    rows: list[Row] = [tuple(getattr(finding, column) for column in FINDING_COLUMNS) for finding in found]
    show(Listing(FINDING_COLUMNS, rows, lambda row: f"{row[0]} , {row[1]} , {row[-1]}"), form)
    damage = sum(finding.is_damage for finding in found)
    note(
        f"{damage:,} findings of damage; `datamon index rebuild` makes the index anew"
        if damage
        else "no damage was found"
    )
    return DAMAGE_EXIT if damage else 0


app.command("push")(push)


def _directory(store: Store) -> Path:
    """Where this machine keeps indexes. Raises Invalid (`usage`) when it keeps none."""
    if store.state_dir is None:
        raise Invalid(
            "usage", "this machine keeps no index: each question makes its own; set a home directory for datamon"
        )
    return store.state_dir / "index"


def _record(found: "IndexStatus", now_ns: int) -> dict[str, object]:
    age_s = None if found.published_ns is None else max(0, (now_ns - found.published_ns) // 10**9)
    return {
        "state": found.state,
        "place": str(found.place),
        "generation": found.generation,
        "bytes": found.size_bytes,
        "published": None if found.published_ns is None else moment(found.published_ns),
        "age_s": age_s,
        "runs": found.runs,
        "records": found.records,
        "behind": found.behind,
        "writing": found.writing,
        "reason": found.reason or None,
    }


def _lines(found: "IndexStatus", now_ns: int) -> list[str]:
    told = [
        f"{name} , {value}"
        for name, value in _record(found, now_ns).items()
        if value is not None and value is not False
    ]
    return [*told, f"meaning , {found.meaning}"]
