"""`datamon bundle link`: what lies elsewhere becomes part of a bundle."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import say, show
from datamon.cli.progress import watching
from datamon.cli.rows import bundle_listing
from datamon.store.external.urls import url_text
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.repos import find_repo

NameFilterOption = Annotated[
    str,
    typer.Option(
        "--name-filter",
        metavar="REGEX",
        help="Only what has a path below the URL in which this regular expression finds something.",
    ),
]


def link(
    ctx: typer.Context,
    repo: RepoOption,
    url: Annotated[
        str,
        typer.Option("--url", metavar="URL", help="s3://…, gs://…, https://…, http://… file://… or a path; see below."),
    ],
    path: Annotated[
        str,
        typer.Option(
            "--path", metavar="PATH", help="Where it stands in the bundle. [one thing: its name; else the top]"
        ),
    ] = "",
    message: Annotated[
        str | None, typer.Option("--message", metavar="TEXT", help="What this bundle is. [link URL]")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to set on the bundle.")] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch to move.")] = DEFAULT_BRANCH,
    name_filter: NameFilterOption = "",
    copy: Annotated[
        bool, typer.Option("--copy", help="Bring the bytes into the store, as ordinary files.", show_default=False)
    ] = False,
    form: FormatOption = None,
) -> None:
    """Make a new bundle that has what the head of the branch has, and what lies at a URL, which stays there.

    A URL of a directory, a prefix or a page of links (which ends with /) means everything beneath it. All of it is read once and
    hashed. Whoever downloads the bundle reads it from there, and gets the bytes that were hashed or an error. s3:// needs
    pip install 'datamon[external]'. Credentials are found where the clouds' own tools find them, and never kept.

    \b
    Examples:
      datamon bundle link --repo orders --url s3://exports/2026/ --path raw/2026
      datamon bundle link --repo orders --url https://example.org/may.csv --copy
    """
    from datamon.store.external.link import LinkRequest  # 0.2 s: it brings pyarrow, which few words need
    from datamon.store.external.link import link as link_url

    store = open_configured(ctx)
    said = message if message is not None else f"link {url}"
    request = LinkRequest(url_text(url), repo, said, path, branch, label, name_filter, copy)
    with watching() as progress:
        made = link_url(store, request, progress=progress)
    if form is not None:
        found = find_repo(store, repo)
        show(bundle_listing(found, store.logs.repo(found.id), [made]), form)
        return
    if label is not None:
        say(f"set label '{label}'")
    say(f"Linked bundle id:{made.id}")
