"""`datamon run export`: the records of runs, for other stores and in the words of other systems."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.environment import process_environment
from datamon.cli.opening import open_configured
from datamon.cli.output import note, pass_on
from datamon.cli.run_lines_out import Wanted, export_lines
from datamon.errors import Invalid

if TYPE_CHECKING:
    from datamon.lineage.interchange.story import Telling


class ExportFormat(StrEnum):
    """What runs can be told in."""

    NDJSON = "ndjson"
    IN_TOTO = "in-toto"
    OPENLINEAGE = "openlineage"
    PROV = "prov"
    PROV_N = "prov-n"
    PROV_XML = "prov-xml"
    PROV_RDF = "prov-rdf"
    RO_CRATE = "ro-crate"


RunsArgument = Annotated[
    list[str],
    typer.Argument(metavar="RUN|REF", help="A run by its id or a part of it, or what it wrote: REPO[@REF]."),
]
ClosureOption = Annotated[bool, typer.Option("--closure", help="And every run upstream of it.")]


def export(
    ctx: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|REF]...", help="Runs by their ids or parts of them, or what they wrote: REPO[@REF]."
        ),
    ] = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="In which words.")] = ExportFormat.NDJSON,
    closure: ClosureOption = False,
    every: Annotated[bool, typer.Option("--all", help="Every run of the store (ndjson).")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only runs that began then or later: 7d ago, or 2026-11-01[T12:00] (ndjson).",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE|DIR", help="Where to, in place of stdout.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The OpenLineage server to send the events to."),
    ] = None,
    sign_key: Annotated[
        Path | None, typer.Option("--sign-key", metavar="FILE", help="The private key to sign in-toto statements with.")
    ] = None,
    with_contents: Annotated[
        bool, typer.Option("--with-contents", help="Put the files of the outputs into the RO-Crate.")
    ] = False,
) -> None:
    """Write what is recorded of runs, for other stores or in the words of other systems.

    ndjson: everything, a line of JSON for each run (docs/run-records.md), which `datamon run import` reads. openlineage: START
    and end events, a line each, or sent to --url (with the key in OPENLINEAGE_API_KEY). prov: W3C PROV as JSON; prov-n, prov-xml
    and prov-rdf are its other notations. ro-crate: a Process Run Crate in the directory --output. in-toto: a statement a line,
    with --sign-key in a DSSE envelope.

    \b
    Examples:
      datamon run export --all --since 7d --output runs.ndjson
      datamon run export 7c2e --format openlineage
      datamon run export model@main --closure --format prov --output model.json
      datamon run export 7c2e --format openlineage --url http://localhost:5000
      datamon run export model --closure --format ro-crate --with-contents --output crate
    """
    asked = _Asked(form, output, url, sign_key, with_contents)
    asked.check()
    if bool(runs) == every:
        raise Invalid("usage", "name the runs to export, or give --all")
    if form is ExportFormat.NDJSON:
        export_lines(open_configured(ctx), Wanted(tuple(runs or ()), every, since, closure), output)
        return
    if every or since is not None:
        raise Invalid("usage", "--all and --since go with --format ndjson alone; name the runs")
    from datamon.lineage.interchange.story import tell  # what formats need is not loaded by `run record` beside it
    from datamon.lineage.interchange.survey import selected

    store = open_configured(ctx)
    telling = tell(store, selected(store, runs or (), closure=closure))
    _export(telling, asked)
    if output is not None:
        note(f"wrote {len(telling.stories):,} runs to {output}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """How and where to."""

    form: ExportFormat
    output: Path | None
    url: str | None
    sign_key: Path | None
    with_contents: bool

    def check(self) -> None:
        """Raises Invalid (`usage`) when options do not go together."""
        for option, form, is_given in (
            ("--url", ExportFormat.OPENLINEAGE, self.url is not None),
            ("--sign-key", ExportFormat.IN_TOTO, self.sign_key is not None),
            ("--with-contents", ExportFormat.RO_CRATE, self.with_contents),
        ):
            if is_given and self.form is not form:
                raise Invalid("usage", f"{option} goes with --format {form.value} alone; leave it out")
        if self.form is ExportFormat.RO_CRATE and self.output is None:
            raise Invalid("usage", "an RO-Crate is a directory; name it with --output")
        if self.url is not None and self.output is not None:
            raise Invalid("usage", "events are sent to --url or written to --output; give one of them")


def _export(telling: "Telling", asked: _Asked) -> None:
    from datamon.lineage.interchange import openlineage, ro_crate, statements
    from datamon.lineage.interchange.dsse import read_signing_key
    from datamon.lineage.interchange.files import write_pieces
    from datamon.lineage.interchange.formats import DOCUMENTS

    if asked.url is not None:
        sent = openlineage.send(telling, asked.url, process_environment().get("OPENLINEAGE_API_KEY"))
        note(f"sent {sent:,} events of {len(telling.stories):,} runs to {asked.url}")
    elif asked.form is ExportFormat.RO_CRATE and asked.output is not None:
        ro_crate.write(telling, asked.output, with_contents=asked.with_contents)
    elif asked.form is ExportFormat.OPENLINEAGE and asked.output is not None:
        openlineage.write(telling, asked.output)
    else:
        key = read_signing_key(asked.sign_key) if asked.sign_key is not None else None
        pieces = DOCUMENTS[asked.form].pieces(telling) if key is None else statements.lines(telling, key)
        if asked.output is not None:
            write_pieces(asked.output, pieces)
        else:
            for piece in pieces:
                pass_on(piece)
