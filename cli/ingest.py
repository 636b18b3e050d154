"""`datamon ingest`: a data set that lies elsewhere becomes a bundle."""

from typing import Annotated

import typer

from datamon.cli.bundle_link import NameFilterOption
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import say, show
from datamon.cli.progress import watching
from datamon.cli.rows import bundle_listing
from datamon.store.external.urls import url_text
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.repos import find_repo

app = typer.Typer(add_completion=False, rich_markup_mode=None)


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
    form: FormatOption = None,
) -> None:
    """Bring a data set in from a bucket, a web server or a directory, as a new bundle of ordinary files.

    A URL of a directory, a prefix or a page of links (which ends with /) means everything beneath it. Much is read at once.
    What this machine has brought in from there before is not read again where ETag, generation or times prove that it is the
    same: so an ingest that was killed goes on where it was, and the next one reads only what changed. s3:// needs
    pip install 'datamon[external]'. Credentials are found where the clouds' own tools find them, and never kept.

    \b
    Examples:
      datamon ingest s3://exports/2026/ --repo orders --message "all of 2026"
      datamon ingest gs://team-bucket/images --repo images --name-filter '\\.png$' --label v1
    """
    from datamon.store.external.ingest import IngestRequest  # 0.2 s: it brings pyarrow, which few words need
    from datamon.store.external.ingest import ingest as ingest_url

    store = open_configured(ctx)
    said = message if message is not None else f"ingest {url.partition('?')[0]}"
    with watching() as progress:
        made = ingest_url(
            store, IngestRequest(url_text(url), repo, said, branch, label, name_filter), progress=progress
        )
    if form is not None:
        found = find_repo(store, repo)
        show(bundle_listing(found, store.logs.repo(found.id), [made]), form)
        return
    if label is not None:
        say(f"set label '{label}'")
    say(f"Ingested bundle id:{made.id}")
