"""datamon keeps data as immutable bundles, records what every run read and wrote, and says what is stale and why."""

TYPE_CHECKING = (
    False  # as typing has it, for type checkers only; importing typing would be most of what `import datamon` takes
)
if TYPE_CHECKING:
    from os import PathLike
    from typing import IO, Any

    from datamon.lineage.context import RunOpener
    from datamon.lineage.decorators import Step
    from datamon.query.answer import Answer
    from datamon.store.bundle import Bundle, Repo
    from datamon.store.opening import Store
    from datamon.store.sessions.shared import SharedSession

    step: Step
    run: RunOpener

__all__ = ["__version__", "ask", "create_repo", "open", "open_store", "run", "session", "step", "upload"]
__version__ = "0.1.0"

# Every import stands inside the function that needs it: `import datamon` takes under a millisecond.


def open(  # noqa: A001 (datamon.open says what it does; nobody imports it bare)
    path: "str | PathLike[str]",
    mode: str = "rb",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    message: str | None = None,
) -> "IO[Any]":
    """The file `repo@ref/path` of the store that the settings name, without a copy of it: what is read is fetched and verified.

    `rb` and `r` read; `wb`, `w`, `xb` and `x` write the file anew: once it is closed, a bundle with `message` holds it, on the
    head of the branch. Nothing is kept of a file that is closed by an exception. Inside a run what is read is an input of it, and
    what is written part of an output, which is committed when the run ends well.

    Raises NotFound (`repo-not-found`, `ref-not-found`, `path-not-found`), Conflict (`ref-exists` for writing to a label),
    Invalid, Denied, Unavailable; reading raises Corrupt, naming the file.
    """
    from datamon.cli.open_path import Text, open_path

    return open_path(path, mode, Text(encoding, errors, newline), message)


def open_store(
    place: "str | PathLike[str] | None" = None,
    *,
    context: str | None = None,
    config: "str | PathLike[str] | None" = None,
) -> "Store":
    """The store that the settings name, or the one at `place` (a path, a bucket's name, a URL); made on first use.

    Settings are those of the command line: `context` and `config` stand for its flags, then the environment, then the
    configuration file. The same settings give the same open store for the life of the process. Raises NotFound
    (`context-not-found`), Invalid (`bad-config`, `newer-format`), Denied, Unavailable.
    """
    from datamon.cli.session import open_session

    return open_session(place, context=context, config=config).store


def ask(text: str, /, **params: object) -> "Answer":
    """The answer to one statement of the query language, asked of the store that the settings name; `params` are the values of
    its `$name`s. `now` means the working directory. Rows are dicts when iterated; `.arrow()`, `.pandas()` and `.polars()`
    give frames. Raises Invalid (`bad-statement`), which points at line and column, NotFound, Denied, Unavailable.
    """
    from datamon.cli.asking import ask_here
    from datamon.cli.session import open_session

    return ask_here(open_session().store, text, params)


def create_repo(name: str, description: str = "") -> "Repo":
    """A new repo in the store that the settings name. Raises Invalid (`bad-name`), Conflict (`repo-exists`)."""
    from datamon.cli.session import open_session
    from datamon.store.repos import create_repo as create

    return create(open_session().store, name, description)


def upload(
    repo: str, path: "str | PathLike[str]", *, message: str, branch: str = "main", label: str | None = None
) -> "Bundle":
    """A new bundle of everything in the directory `path`, in the store that the settings name; the branch, and the label if one
    is given, point at it. All of it or nothing. Raises NotFound, Invalid, Conflict (`ref-frozen`), Denied, Unavailable."""
    from pathlib import Path

    from datamon.cli.session import open_session
    from datamon.store.upload import UploadRequest
    from datamon.store.upload import upload as keep

    return keep(open_session().store, UploadRequest(repo, Path(path), message, branch, label))


def session(repo: str, id: str | None = None, *, tag: str | None = None) -> "SharedSession":  # noqa: A002 (the user's word)
    """A session of the repo to which many writers add: the one with this `id`, else a new one. `.add(path, split=…)` adds a
    split, `.commit(message)` makes of the completed ones a bundle, `.cancel()` gives it up. Raises NotFound
    (`repo-not-found`, `session-not-found`), Unavailable."""
    from datamon.cli.session import open_session
    from datamon.store.sessions.shared import SharedSession
    from datamon.store.sessions.start import get_session, start_session

    store = open_session().store
    found = start_session(store, repo, tag=tag) if id is None else get_session(store, repo, id)
    return SharedSession(store, repo, found.id)


def load_ipython_extension(shell: object) -> None:
    """What `%load_ext datamon` does: the magics `%datamon`, `%%datamon` and `%%datamon_run` are there, and complete. Raises
    Invalid (`missing-extra`) when IPython is not installed."""
    from datamon.cli.notebook.loading import load

    load(shell)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """`step` and `run`, made when they are first named. They are functions of their own, not wrapped here, since `run` knows
        the code of its block by its caller."""
        if name not in ("step", "run"):
            raise AttributeError(f"module 'datamon' has no attribute {name!r}")
        from datamon.cli.session import recorded_run, recorded_step

        globals().update(step=recorded_step(), run=recorded_run())
        made: object = globals()[name]
        return made
