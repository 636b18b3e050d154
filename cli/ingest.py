"""`datamon ingest`: a data set that lies elsewhere becomes a bundle."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.bundle_link import NameFilterOption
from datamon.cli.opening import access_of, open_configured, settings_of
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import note, say, show
from datamon.cli.progress import watching
from datamon.cli.rows import bundle_listing
from datamon.cli.settings import Settings
from datamon.errors import Invalid
from datamon.store.bundle import Bundle
from datamon.store.external.urls import url_text
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import Progress
from datamon.store.repos import find_repo

if TYPE_CHECKING:
    from datamon.store.external.ingest import IngestRequest

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Engine(Enum):
    """What reads the files of an ingest."""

    LOCAL = "local"
    SPARK = "spark"


@app.command()
def ingest(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="s3://…, gs://…, https://…, http://…, file://… or a path.")],
    repo: RepoOption,
    message: Annotated[
        str | None, typer.Option("--message", metavar="TEXT", help="What this bundle is. [ingest URL]")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to set on the bundle.")] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch to move.")] = DEFAULT_BRANCH,
    name_filter: NameFilterOption = "",
    engine: Annotated[
        Engine, typer.Option("--engine", help="What reads: this machine, or tasks of your Spark.", show_default=True)
    ] = Engine.LOCAL,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Go on with an ingest on Spark that did not end.")
    ] = None,
    form: FormatOption = None,
) -> None:
    """Bring a data set in from a bucket, a web server or a directory, as a new bundle of ordinary files.

    A URL of a directory, a prefix or a page of links (which ends with /) means everything beneath it. Much is read at once.
    What this machine has brought in from there before is not read again where ETag, generation or times prove that it is the
    same: so an ingest that was killed goes on where it was, and the next one reads only what changed. s3:// needs
    pip install 'datamon[external]'. Credentials are found where the clouds' own tools find them, and never kept.

    With --engine spark tasks of your Spark, as pyspark finds it, read: each a split of one session, all of them one bundle. It
    needs pip install 'datamon[spark]', and datamon, the store and the credentials wherever tasks run.

    \b
    Examples:
      datamon ingest s3://exports/2026/ --repo orders --message "all of 2026"
      datamon ingest gs://team-bucket/images --repo images --name-filter '\\.png$' --label v1
      datamon ingest s3://exports/all/ --repo orders --engine spark
    """
    from datamon.store.external.ingest import IngestRequest  # 0.2 s: it brings pyarrow, which few words need
    from datamon.store.external.ingest import ingest as ingest_url

    if session is not None and engine is not Engine.SPARK:
        raise Invalid("bad-argument", "--session goes with --engine spark alone", argument="--session")
    store = open_configured(ctx)
    said = message if message is not None else f"ingest {url.partition('?')[0]}"
    request = IngestRequest(url_text(url), repo, said, branch, label, name_filter)
    with watching() as progress:
        if engine is Engine.SPARK:
            made = _ingest_on_spark(store, settings_of(ctx), request, session, progress)
        else:
            made = ingest_url(store, request, progress=progress)
    if form is not None:
        found = find_repo(store, repo)
        show(bundle_listing(found, store.logs.repo(found.id), [made]), form)
        return
    if label is not None:
        say(f"set label '{label}'")
    say(f"Ingested bundle id:{made.id}")


def _ingest_on_spark(
    store: Store, settings: Settings, request: "IngestRequest", session: str | None, progress: Progress
) -> Bundle:
    from datamon.store.external.spark import SparkEngine  # as above
    from datamon.store.external.spread import Spread, ingest_spread

    access = access_of(settings)
    engine = SparkEngine()
    return ingest_spread(store, request, Spread(lambda: engine, access, session, note), progress=progress)
