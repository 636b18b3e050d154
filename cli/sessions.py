"""`datamon session` (and `datamon diamond`, its older name): many writers make one bundle."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.commands import Phrases
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption, RepoOption
from datamon.cli.output import note, say, show
from datamon.cli.progress import watching
from datamon.cli.session_rows import begun_rows, session_listing, split_listing
from datamon.errors import Invalid, NotFound, Unavailable
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import ConflictMode
from datamon.store.sessions.select import Choice
from datamon.store.sessions.start import cancel_session, get_session, list_sessions, start_session
from datamon.store.workers import core_workers

app = typer.Typer(cls=Phrases, add_completion=False, rich_markup_mode=None, no_args_is_help=True)

SessionOption = Annotated[str, typer.Option("--session", "--diamond", metavar="ID", help="The session's id.")]
_MOST_TOLD = 20


@app.callback()
def session() -> None:
    """Sessions: many writers, on as many machines as you like, make one bundle. Each adds a split; the commit merges them."""


@app.command()
def start(
    ctx: typer.Context,
    repo: RepoOption,
    tag: Annotated[
        str | None, typer.Option("--session-tag", "--diamond-tag", metavar="TEXT", help="What the session is for.")
    ] = None,
    form: FormatOption = None,
) -> None:
    """Start a session and print its id, which each writer needs.

    \b
    Example:
      datamon session start --repo orders
    """
    store = open_configured(ctx)
    started = start_session(store, repo, tag=tag)
    if form is not None:
        show(session_listing([started]), form)
        return
    say(started.id)


@app.command()
def add(
    ctx: typer.Context,
    repo: RepoOption,
    session: SessionOption,
    path: Annotated[Path, typer.Option("--path", metavar="DIR", help="The directory to add.")],
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="The split's name; one that is there is replaced. [a new one]"),
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--split-tag", metavar="TEXT", help="What the split is, such as its machine.")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="LIST", help="Add only the paths that this file lists, one a line."),
    ] = None,
    name_filter: Annotated[
        str, typer.Option("--name-filter", metavar="REGEX", help="Add only files whose paths this finds.")
    ] = "",
    skip_on_error: Annotated[
        bool, typer.Option("--skip-on-error", help="Leave out files that cannot be read, and name them.")
    ] = False,
    form: FormatOption = None,
) -> None:
    """Add a directory to a session as a split. A split that failed, or was wrong, is added again under its name.

    \b
    Example:
      datamon session add --repo orders --session 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d --path ./part-1 --split part-1
    """
    store = open_configured(ctx)
    skipped: list[str] = []
    choice = Choice(_lines(files) if files is not None else None, name_filter, skip_on_error, skipped.append)
    request = AddRequest(repo, session, path, split, tag, choice, core_workers())
    with watching() as progress:
        added = add_split(store, request, progress=progress)
    for left_out in sorted(set(skipped)):
        note(f"{left_out} cannot be read and was left out")
    if form is not None:
        show(split_listing(get_session(store, repo, session).id, [added]), form)
        return
    say(f"Added split {added.name} with {added.tree.entries} entries")


@app.command()
def commit(
    ctx: typer.Context,
    repo: RepoOption,
    session: SessionOption,
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="What the bundle is.")],
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="A label to set on the bundle.")] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The branch to move.")] = DEFAULT_BRANCH,
    with_conflicts: Annotated[
        bool, typer.Option("--with-conflicts", help="Keep other splits' versions below .conflicts/SPLIT/. [default]")
    ] = False,
    with_checkpoints: Annotated[
        bool, typer.Option("--with-checkpoints", help="Keep them below .checkpoints/SPLIT/, as earlier states.")
    ] = False,
    no_conflicts: Annotated[
        bool, typer.Option("--no-conflicts", help="Refuse when splits hold a path differently.")
    ] = False,
    ignore_conflicts: Annotated[
        bool, typer.Option("--ignore-conflicts", help="Keep only the version of the split completed last.")
    ] = False,
) -> None:
    """Make the session's completed splits one bundle, and move the branch (and the label) to it, all at once.

    Where splits hold one path differently, the version of the split that was completed last stands. Splits that were begun
    and are not complete are not in the bundle; they are named on stderr.

    \b
    Example:
      datamon session commit --repo orders --session 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d --message "all parts"
    """
    flags: dict[ConflictMode, bool] = {
        "with-conflicts": with_conflicts,
        "with-checkpoints": with_checkpoints,
        "no-conflicts": no_conflicts,
        "ignore-conflicts": ignore_conflicts,
    }
    made = commit_session(
        open_configured(ctx), SessionCommit(repo, session, message, _mode(flags), branch=branch, label=label)
    )
    for begun in made.unfinished:
        note(
            f"the split {begun.split} that {begun.author} began is not complete; nothing of that attempt is in the bundle"
        )
    for split, path in made.lost[:_MOST_TOLD]:
        note(f"conflict: {path} of the split {split} gave way to a later split's")
    if len(made.lost) > _MOST_TOLD:
        note(f"and {len(made.lost) - _MOST_TOLD:,} more conflicts")
    if made.left_out:
        note(f"{made.left_out:,} entries at .conflicts and .checkpoints of splits were left out")
    if label is not None:
        say(f"set label '{label}'")
    say(f"Uploaded bundle id:{made.bundle.id}")


@app.command()
def cancel(ctx: typer.Context, repo: RepoOption, session: SessionOption) -> None:
    """Cancel a session; what only its splits hold is freed by gc.

    \b
    Example:
      datamon session cancel --repo orders --session 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d
    """
    cancel_session(open_configured(ctx), repo, session)


@app.command("list")
def list_(ctx: typer.Context, repo: RepoOption, form: FormatOption = None) -> None:
    """List a repo's sessions: id , time started , state , mode , splits , bundle , tag.

    \b
    Example:
      datamon session list --repo orders
    """
    show(session_listing(list_sessions(open_configured(ctx), repo)), form)


@app.command()
def get(ctx: typer.Context, repo: RepoOption, session: SessionOption, form: FormatOption = None) -> None:
    """Show one session.

    \b
    Example:
      datamon session get --repo orders --session 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d
    """
    show(session_listing([get_session(open_configured(ctx), repo, session)]), form)


@app.command("split list")
def split_list(ctx: typer.Context, repo: RepoOption, session: SessionOption, form: FormatOption = None) -> None:
    """List a session's completed splits in the order of completion, and on stderr those that were only begun.

    \b
    Example:
      datamon session split list --repo orders --session 2Q0z8hJ3bW6kR1xY5cN7vM9aT4d
    """
    store = open_configured(ctx)
    found = get_session(store, repo, session)
    show(split_listing(found.id, found.splits), form)
    for line in begun_rows(store, found):
        note(line)


app.command("initialize", hidden=True)(start)
app.command("split add", hidden=True)(add)


def _mode(flags: dict[ConflictMode, bool]) -> ConflictMode:
    asked = [mode for mode, is_set in flags.items() if is_set]
    if len(asked) > 1:
        raise Invalid("usage", f"--{asked[0]} and --{asked[1]} exclude each other; name one")
    return asked[0] if asked else "with-conflicts"


def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line)
    except FileNotFoundError as error:
        raise NotFound(
            "path-not-found", f"there is no list {str(path)!r}; name one that is there", path=path
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            "backend-unavailable", f"the list {str(path)!r} cannot be read ({error}); correct it"
        ) from error
