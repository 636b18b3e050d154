"""Repos: made, found, listed, renamed."""

import difflib
from collections.abc import Iterable
from dataclasses import replace

from datamon.errors import Conflict, Invalid, NotFound
from datamon.store.bundle import Entry, Repo
from datamon.store.clock import timestamp
from datamon.store.codec import Record
from datamon.store.ids import RepoId, new_ksuid
from datamon.store.log import StoreState
from datamon.store.names import RUNS_REPO, check_name
from datamon.store.opening import Store
from datamon.store.origin import Origin


def create_repo(store: Store, name: str, description: str, origin: Origin | None = None) -> Repo:
    """A new repo, which stands in the store's log when this returns; with `origin` one that is taken over from another store.

    Raises Invalid (`bad-name`, `bad-argument`), Conflict (`repo-exists`) at once when the name is taken.
    """
    name = check_name("repo", name)
    check_text("description", description)
    identity = RepoId(new_ksuid(store.clock()))

    def make(state: StoreState) -> Record:
        if name in state.names:
            raise Conflict("repo-exists", f"a repo {name!r} exists; choose another name, or use that one", repo=name)
        told = {} if origin is None else origin.fields(store, state)
        return {"kind": "repo-created", "repo": identity, "name": name, "description": description, **told}

    entry = store.logs.append(None, make)
    return Repo(identity, name, description, entry.author, entry.made_ns)


def rename_repo(store: Store, repo: Repo, new_name: str) -> Repo:
    """The repo has the new name when this returns it, and its old one is free; its bundles, refs and their history are untouched,
    and questions show the new name for what was recorded under the old one too. The name that it has already writes nothing.

    Raises Invalid (`bad-name`), Conflict (`repo-exists`) when the name is taken, NotFound (`repo-not-found`) when the repo is
    gone.
    """
    new_name = check_name("repo", new_name)
    if new_name == repo.name and repo.id in store.logs.store().repos:
        return repo

    def make(state: StoreState) -> Record:
        standing_repo(state, repo)
        if new_name in state.names:
            raise Conflict("repo-exists", f"a repo {new_name!r} exists; choose another name", repo=new_name)
        return {"kind": "repo-renamed", "repo": repo.id, "name": new_name}

    store.logs.append(None, make)
    return replace(repo, name=new_name)


def find_repo(store: Store, name: str) -> Repo:
    """The repo of this name. Raises NotFound (`repo-not-found`; for a name that a repo had once, what became of that repo),
    Invalid (`bad-name`)."""
    if name == RUNS_REPO:
        return runs_repo(store)
    name = check_name("repo", name)
    state = store.logs.store()
    if name not in state.names:
        raise _no_repo(state, name)
    return state.names[name]


def standing_repo(state: StoreState, repo: Repo) -> Repo:
    """The repo as it is now. Raises NotFound (`repo-not-found`) when it was deleted, and for the hidden one, which the store's
    log does not have: it can be neither renamed nor deleted."""
    if repo.id in state.repos:
        return state.repos[repo.id]
    if repo.id in state.deleted:
        raise _was_deleted(state.deleted[repo.id], repo.name)
    raise NotFound(
        "repo-not-found", f"the repo {repo.name!r} is datamon's own and stays as it is; name another", repo=repo.name
    )


def _no_repo(state: StoreState, name: str) -> NotFound:
    """The error that says what became of the last repo of this name, or which one has a name like it."""
    had = {entry.record["repo"] for entry in state.entries if entry.record.get("name") == name}
    lost = next((entry for entry in reversed(state.entries) if entry.record.get("repo") in had), None)
    if lost is not None and lost.kind == "repo-deleted":
        return _was_deleted(lost, name)
    if lost is not None:
        now = state.repos[RepoId(lost.record["repo"])].name
        when = timestamp(lost.time_ns)
        return NotFound(
            "repo-not-found",
            f"the repo {name!r} was renamed to {now!r} by {lost.author.name} (last at {when}); use {now!r}",
            repo=name,
            renamed_to=now,
        )
    next_step = nearest(name, state.names) or "`datamon repo list` shows those there are"
    return NotFound("repo-not-found", f"there is no repo {name!r}; {next_step}", repo=name)


def _was_deleted(entry: Entry, name: str) -> NotFound:
    why = f" ({entry.reason})" if entry.reason else ""
    return NotFound(
        "repo-not-found",
        f"the repo {name!r} was deleted at {timestamp(entry.time_ns)} by {entry.author.name}{why}; "
        "its name is free, and `datamon repo list` shows the repos there are",
        repo=name,
    )


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
