"""`datamon lineage`: what a bundle or run came from, or what came of it, as a tree."""

from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.completing import repo_names
from datamon.cli.globals import AnswerFormat
from datamon.cli.opening import open_configured
from datamon.cli.output import note, screen
from datamon.cli.paging import write_paged
from datamon.cli.query_output import PagerOption, ToOption
from datamon.cli.showing import DRAWN, Showing, show_answer, showing
from datamon.errors import Invalid

if TYPE_CHECKING:
    from datamon.cli.lineage_told import Ask
    from datamon.query.answer import Answer
    from datamon.store.opening import Store

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def lineage(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="repo, repo@label, repo@branch, repo@id, or a run or bundle by its id or an end of it.",
            show_default=False,
            autocompletion=repo_names,
        ),
    ],
    downstream: Annotated[
        bool, typer.Option("--downstream", "--down", help="What came of it, not what it came from.")
    ] = False,
    within: Annotated[int | None, typer.Option("--within", metavar="N", min=1, help="At most N runs away.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Mark what is stale, with the causes.")] = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Show what was deleted since, too.")] = False,
    form: Annotated[
        AnswerFormat | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="json, dot, mermaid or svg; of its rows table, jsonl, csv, parquet or arrow. [a tree]",
        ),
    ] = None,
    to: ToOption = None,
    pager: PagerOption = True,
) -> None:
    """Show what a bundle or a run came from, or what came of it, as a tree.

    Each line has a name, how a run ended, the end of the id, which other commands take for the whole, when it was, and as much
    more as the terminal has room for. What comes again is marked …, its own lineage is not repeated. Where a tree gets too deep
    for the terminal, what has only one child stands straight above it: ← came from, → went into.

    \b
    Examples:
      datamon lineage report@main
      datamon lineage raw --down --stale
      datamon lineage 7c2e
      datamon lineage report --to report.svg
    """
    from datamon.cli.asking import ask_with, index_here  # brings duckdb, 80 ms, which help does not need
    from datamon.cli.lineage_subject import Way, lineage_of

    how = showing(form, to, pager=pager)
    store = open_configured(ctx)
    index = index_here(store)

    def ask(statement: str) -> "Answer":
        return ask_with(index, store, statement, {})

    source = lineage_of(ask, store, reference, Way(downstream, within, deleted))
    show_lineage(store, ask, source, how, stale=stale)


def show_lineage(store: "Store", ask: "Ask", source: str, how: Showing, *, stale: bool = False) -> None:
    """Writes what a lineage source gives: as a tree where no form is named. Raises Invalid (`graph-too-large`), and as `ask`."""
    drawn = how.form in (None, AnswerFormat.JSON, *DRAWN)
    try:
        answer = ask(f"GRAPH {source}" if drawn else source)
    except Invalid as error:
        if error.code != "graph-too-large":
            raise
        raise _too_large(error, source) from None
    if how.form is not None or answer.graph is None:
        show_answer(answer, how)
        return
    from datamon.cli.lineage_told import tell, tree_lines  # with duckdb, as above
    from datamon.cli.rows import moment

    told = tell(ask, answer.graph, moment(store.clock()), stale=stale)
    write_paged((f"{line}\n" for line in tree_lines(answer.graph, told, screen())), paged=how.pager)
    for sentence in answer.notes:
        note(sentence)


def _too_large(error: Invalid, source: str) -> Invalid:
    nodes, most = error.facts["nodes"], error.facts["most"]
    said = (
        f"this lineage has {nodes:,} bundles and runs, and at most {most:,} are drawn; look at what is near by --within, or have "
        f'all rows by `datamon query "{source}"`'
    )
    return Invalid("graph-too-large", said, nodes=nodes, most=most)
