"""`datamon label`: names that people give to bundles."""

from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.completing import label_names
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import show
from datamon.cli.rows import history_listing, ref_listing
from datamon.store.refs import delete_label, find_ref, list_refs, ref_history, set_label
from datamon.store.repos import find_repo
from datamon.store.resolve import find_bundle

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
NameOption = Annotated[
    str, typer.Option("--label", metavar="LABEL", help="Name of the label.", autocompletion=label_names)
]


@app.callback()
def label() -> None:
    """Labels: names that people give to bundles. A label points at one bundle; setting it again moves it; its history is kept."""


@app.command("set")
def set_(
    ctx: typer.Context,
    repo: RepoOption,
    label: NameOption,
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="ID", help="Id of the bundle, or its unique start or end.")
    ],
    frozen: Annotated[bool, typer.Option("--frozen", help="Mark a release: the label never moves again.")] = False,
) -> None:
    """Point a label at a bundle.

    \b
    Example:
      datamon label set --repo orders --label prod --bundle 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    set_label(store, found, label, find_bundle(store, found, bundle).id, frozen=frozen)


@app.command()
def get(
    ctx: typer.Context,
    repo: RepoOption,
    label: NameOption,
    versions: Annotated[
        bool, typer.Option("--with-versions", help="Show every bundle it ever pointed at, oldest first.")
    ] = False,
    form: FormatOption = None,
) -> None:
    """Show where a label points: label , bundle , time.

    \b
    Example:
      datamon label get --repo orders --label prod --with-versions
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    if versions:
        show(history_listing(found, ref_history(store, found, label)), form)
        return
    ref = find_ref(store, found, label, "label")
    show(ref_listing(found, store.logs.repo(found.id), "label", [ref]), form)


@app.command()
def delete(ctx: typer.Context, repo: RepoOption, label: NameOption) -> None:
    """Take a label away; the bundle stays, and the label's history too.

    \b
    Example:
      datamon label delete --repo orders --label draft
    """
    store = open_configured(ctx)
    delete_label(store, find_repo(store, repo), label)


@app.command("list")
def list_(
    ctx: typer.Context,
    repo: RepoOption,
    prefix: Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Only labels that begin so.")] = "",
    form: FormatOption = None,
) -> None:
    """List a repo's labels: label , bundle , time.

    \b
    Example:
      datamon label list --repo orders --prefix v1.
    """
    store = open_configured(ctx)
    found = find_repo(store, repo)
    labels = [ref for ref in list_refs(store, found, "label") if ref.name.startswith(prefix)]
    show(ref_listing(found, store.logs.repo(found.id), "label", labels), form)
