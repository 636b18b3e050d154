"""`datamon run export`: runs in the words of other systems."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.environment import process_environment
from datamon.cli.opening import open_configured
from datamon.cli.output import note, pass_on
from datamon.errors import Invalid


class ExportFormat(StrEnum):
    """What runs can be told in."""

    OPENLINEAGE = "openlineage"
    PROV = "prov"
    PROV_N = "prov-n"
    PROV_XML = "prov-xml"
    PROV_RDF = "prov-rdf"


RunsArgument = Annotated[
    list[str],
    typer.Argument(metavar="RUN|REF", help="A run by its id or a part of it, or what it wrote: REPO[@REF]."),
]
ClosureOption = Annotated[bool, typer.Option("--closure", help="And every run upstream of it.")]


def export(
    ctx: typer.Context,
    runs: RunsArgument,
    form: Annotated[ExportFormat, typer.Option("--format", help="In which words.")],
    closure: ClosureOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE|DIR", help="Where to, in place of stdout.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The OpenLineage server to send the events to."),
    ] = None,
) -> None:
    """Tell runs in the words of other systems.

    openlineage: START and end events, a line each, or sent to --url (with the key in OPENLINEAGE_API_KEY). prov: W3C PROV as
    JSON; prov-n, prov-xml and prov-rdf are its other notations.

    \b
    Examples:
      datamon run export 7c2e --format openlineage
      datamon run export model@main --closure --format prov --output model.json
      datamon run export 7c2e --format openlineage --url http://localhost:5000
    """
    from datamon.lineage.interchange import openlineage  # what formats need is not loaded by `run record` beside it
    from datamon.lineage.interchange.files import write_pieces
    from datamon.lineage.interchange.formats import DOCUMENTS
    from datamon.lineage.interchange.story import tell
    from datamon.lineage.interchange.survey import selected

    if url is not None and form is not ExportFormat.OPENLINEAGE:
        raise Invalid("usage", "--url is where OpenLineage events are sent; give --format openlineage with it")
    store = open_configured(ctx)
    telling = tell(store, selected(store, runs, closure=closure))
    if url is not None:
        sent = openlineage.send(telling, url, process_environment().get("OPENLINEAGE_API_KEY"))
        note(f"sent {sent:,} events of {len(telling.stories):,} runs to {url}")
    elif output is None:
        for piece in DOCUMENTS[form].pieces(telling):
            pass_on(piece)
    else:
        if form is ExportFormat.OPENLINEAGE:
            openlineage.write(telling, output)
        else:
            write_pieces(output, DOCUMENTS[form].pieces(telling))
        note(f"wrote {len(telling.stories):,} runs to {output}")
