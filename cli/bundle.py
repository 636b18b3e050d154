"""`datamon bundle`: a repo's file tree at one moment; upload, download, compare."""

import typer

from datamon.cli.bundle_cat import cat
from datamon.cli.bundle_delete import delete
from datamon.cli.bundle_diff import diff
from datamon.cli.bundle_download import download, download_file
from datamon.cli.bundle_link import link
from datamon.cli.bundle_list import list_, list_files, ls
from datamon.cli.bundle_log import log
from datamon.cli.bundle_mount import mount
from datamon.cli.bundle_mount_new import mount_new
from datamon.cli.bundle_promote import promote
from datamon.cli.bundle_update import update
from datamon.cli.bundle_upload import upload
from datamon.cli.commands import Phrases
from datamon.cli.opening import open_configured
from datamon.cli.options import BranchOption, BundleOption, FormatOption, LabelOption, RepoOption
from datamon.cli.output import show
from datamon.cli.rows import told_bundle_listing
from datamon.cli.selecting import Selection, select_bundle
from datamon.store.repos import find_repo

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def bundle() -> None:
    """Bundles: a repo's file tree at one moment. A bundle never changes; a new state is a new bundle."""


app.command("upload")(upload)
app.command("link")(link)
app.command("download")(download)
app.command("download file")(download_file)
app.command("update")(update)
app.command("mount")(mount)
app.command("mount new")(mount_new)


@app.command()
def get(
    ctx: typer.Context,
    repo: RepoOption,
    bundle: BundleOption = None,
    label: LabelOption = None,
    branch: BranchOption = None,
    form: FormatOption = None,
) -> None:
    """Show one bundle: id , time , message; of one that was promoted also what it is a copy of, the nearest first.

    \b
    Example:
      datamon bundle get --repo orders --label init --format json
    """
    selection = Selection(bundle, label, branch)
    store = open_configured(ctx)
    found = find_repo(store, repo)
    chosen = select_bundle(store, found, selection)
    show(told_bundle_listing(found, store.logs.repo(found.id), chosen), form)


app.command("list")(list_)
app.command("list files")(list_files)
app.command("ls")(ls)
app.command("cat")(cat)
app.command("log")(log)
app.command("diff")(diff)
app.command("promote")(promote)
app.command("delete")(delete)
