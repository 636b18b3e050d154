"""Repos: made, found, listed."""

import difflib
from collections.abc import Iterable

from datamon.errors import Conflict, Invalid, NotFound
from datamon.store.bundle import Repo
from datamon.store.codec import Record
from datamon.store.ids import RepoId, new_ksuid
from datamon.store.log import StoreState
from datamon.store.names import RUNS_REPO, check_name
from datamon.store.opening import Store


def create_repo(store: Store, name: str, description: str) -> Repo:
    """A new repo, which stands in the store's log when this returns.

    Raises Invalid (`bad-name`, `bad-argument`), Conflict (`repo-exists`) at once when the name is taken.
    """
    name = check_name("repo", name)
    check_text("description", description)
    identity = RepoId(new_ksuid(store.clock()))

    def make(state: StoreState) -> Record:
        if name in state.names:
            raise Conflict("repo-exists", f"a repo {name!r} exists; choose another name, or use that one", repo=name)
        return {"kind": "repo-created", "repo": identity, "name": name, "description": description}

    entry = store.logs.append(None, make)
    return Repo(identity, name, description, entry.author, entry.time_ns)


def find_repo(store: Store, name: str) -> Repo:
    """The repo of this name. Raises NotFound (`repo-not-found`), Invalid (`bad-name`)."""
    if name == RUNS_REPO:
        return runs_repo(store)
    name = check_name("repo", name)
    names = store.logs.store().names
    if name not in names:
        next_step = nearest(name, names) or "`datamon repo list` shows those there are"
        raise NotFound("repo-not-found", f"there is no repo {name!r}; {next_step}", repo=name)
    return names[name]


def list_repos(store: Store, *, system: bool = False) -> list[Repo]:
    """All repos by name; with `system` the hidden one of runs too."""
    repos = list(store.logs.store().repos.values())
    if system:
        repos.append(runs_repo(store))
    return sorted(repos, key=lambda repo: repo.name)


def runs_repo(store: Store) -> Repo:
    """The hidden repo of code and streams of runs. Every store has it: its id is the store's."""
    return Repo(RepoId(store.id), RUNS_REPO, "code and streams of runs", store.author, store.created_ns)


def check_text(what: str, text: str) -> str:
    """`text`, when it can be stored. Raises Invalid (`bad-argument`) for what is no Unicode, such as undecodable bytes of a
    command line."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(
            "bad-argument",
            f"the {what} has bytes that are not UTF-8 (at {error.start}); write it in UTF-8",
            argument=what,
        ) from error
    return text


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The hint that names the one of `names` that looks most like `name`, or None when none does.

    >>> nearest("ordes", ["orders", "parts"])
    "did you mean 'orders'?"
    """
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else None
