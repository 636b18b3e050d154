"""References: the text by which people name a bundle or a path in it, and the bundle that it means now."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from datamon.errors import Invalid, NotFound
from datamon.store.bundle import Bundle, Ref, Repo
from datamon.store.ids import KSUID_CHARACTERS, SHORTEST_PREFIX, BundleId, is_ksuid
from datamon.store.log import RepoState
from datamon.store.names import DEFAULT_BRANCH, RUNS_REPO, check_name
from datamon.store.opening import Store
from datamon.store.refs import live_bundle, no_ref
from datamon.store.repos import find_repo
from datamon.store.tombstones import standing_in

_ANCESTOR = re.compile(r"(?P<of>[^~]+)~(?P<steps>[0-9]{1,9})?", re.ASCII)
_SHOWN_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference as it was written: `repo@ref:path`. `ref` None means the head of `main`; `path` "" the whole bundle."""

    repo: str
    ref: str | None
    path: str

    def __str__(self) -> str:
        return self.repo + (f"@{self.ref}" if self.ref else "") + (f":{self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference means now. `ref` is the name it was resolved through, None for an id; `pinned` says that no ref's move
    can give it another meaning; `note` is what a person should be told."""

    repo: Repo
    bundle: Bundle
    ref: str | None
    ref_kind: Literal["branch", "label", "ancestor", "id"]
    path: str
    pinned: bool
    note: str | None = None


def parse_reference(text: str) -> Reference:
    """The parts of `repo`, `repo@ref`, `repo@ref:path` or `repo:path`. Raises Invalid (`bad-reference`, `bad-name`).

    >>> parse_reference("orders@v1:parts/a.csv")
    Reference(repo='orders', ref='v1', path='parts/a.csv')
    >>> parse_reference("orders:notes@home.txt")
    Reference(repo='orders', ref=None, path='notes@home.txt')
    """
    before_path, colon, path = text.partition(":")
    repo, at, ref = before_path.partition("@")
    if not repo:
        raise _unreadable(text, "names no repo")
    if at and not ref:
        raise _unreadable(text, "has nothing between '@' and its end")
    if colon and not path.strip("/"):
        raise _unreadable(text, "has no path after ':'")
    if repo != RUNS_REPO:
        repo = check_name("repo", repo)
    if ref:
        _check_ref(text, ref)
    return Reference(repo, ref or None, _path(text, path))


def _check_ref(text: str, ref: str) -> None:
    ancestor = _ANCESTOR.fullmatch(ref)
    name = ancestor["of"] if ancestor else ref
    if "~" in name:
        raise _unreadable(text, "has a '~' that no number follows")
    if not is_ksuid(name):
        check_name("label", name)


def _path(text: str, path: str) -> str:
    path = path.removesuffix("/")
    if path and not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise _unreadable(text, "has a path with an empty part, '.' or '..'")
    return path


def _unreadable(text: str, fault: str) -> Invalid:
    return Invalid(
        "bad-reference", f"the reference {text!r} {fault}; write REPO, REPO@REF, REPO@REF:PATH or REPO:PATH", text=text
    )


def resolve(store: Store, reference: Reference | str) -> Resolved:
    """What the reference means at this moment. An exact name wins over a shortened id, and `note` says so.

    Whether `path` is in the bundle is not looked at. Raises Invalid (`bad-reference`, `bad-name`, `ambiguous-id`),
    NotFound (`repo-not-found`, `ref-not-found`, `bundle-not-found`).
    """
    if isinstance(reference, str):
        reference = parse_reference(reference)
    repo = find_repo(store, reference.repo)
    state = store.logs.repo(repo.id)
    if reference.ref is None:
        head = _default_head(state, repo)
        return Resolved(repo, live_bundle(state, repo, head.bundle), head.name, head.kind, reference.path, pinned=False)
    ancestor = _ANCESTOR.fullmatch(reference.ref)
    found = _named(state, repo, ancestor["of"] if ancestor else reference.ref, reference.path)
    if ancestor is None:
        return found
    bundle = _ancestor(state, repo, found.bundle, int(ancestor["steps"] or 1), reference.ref)
    return Resolved(repo, bundle, reference.ref, "ancestor", reference.path, pinned=True, note=found.note)


def find_bundle(store: Store, repo: Repo, id_or_part: str) -> Bundle:
    """The repo's bundle of this id, or of this unique start or end of one. Raises NotFound (`bundle-not-found`),
    Invalid (`ambiguous-id`, `bad-reference`)."""
    state = store.logs.repo(repo.id)
    if is_ksuid(id_or_part):
        return live_bundle(state, repo, BundleId(id_or_part))
    live = [bundle for bundle in state.bundles if bundle not in state.deleted]
    _refuse_deleted(state, repo, id_or_part, live)
    return state.bundles[BundleId(find_by_part(id_or_part, live))]


def find_by_part(text: str, ids: Iterable[str], *, kind: Literal["bundle", "run"] = "bundle") -> str:
    """The one of `ids` that is `text`, or the only one that begins or ends with it.

    Raises Invalid (`ambiguous-id`, with `candidates`; `bad-reference` when it is too short), NotFound (`<kind>-not-found`).

    >>> find_by_part("2Q0z", ["2Q0z8hJ3bW6kR1xY5cN7vM9aT4d", "2Q1a8hJ3bW6kR1xY5cN7vM9aT4e"])
    '2Q0z8hJ3bW6kR1xY5cN7vM9aT4d'
    """
    if len(text) < SHORTEST_PREFIX:
        raise Invalid(
            "bad-reference",
            f"{text!r} is too short for an id; give at least {SHORTEST_PREFIX} characters of it",
            text=text,
        )
    candidates = _fitting(text, ids)
    if not candidates:
        raise NotFound(
            f"{kind}-not-found",
            f"no {kind} has an id that begins or ends with {text!r}; list them and look again",
            id=text,
        )
    if len(candidates) > 1:
        shown = ", ".join(candidates[:_SHOWN_CANDIDATES])
        more = f" and {len(candidates) - _SHOWN_CANDIDATES} more" if len(candidates) > _SHOWN_CANDIDATES else ""
        raise Invalid(
            "ambiguous-id", f"{text!r} fits {shown}{more}; give more characters of it", text=text, candidates=candidates
        )
    return candidates[0]


def _fitting(text: str, ids: Iterable[str]) -> list[str]:
    if len(text) >= KSUID_CHARACTERS:
        return [identity for identity in ids if identity == text]
    return [identity for identity in ids if identity.startswith(text) or identity.endswith(text)]


def _default_head(state: RepoState, repo: Repo) -> Ref:
    head = state.refs.get(DEFAULT_BRANCH)
    if head is not None:
        return head
    if state.bundles:
        raise NotFound(
            "ref-not-found",
            f"the repo {repo.name!r} has no branch {DEFAULT_BRANCH!r}; name a label, a branch or a bundle of it after '@'",
            repo=repo.name,
            ref=DEFAULT_BRANCH,
        )
    raise NotFound(
        "ref-not-found",
        f"the repo {repo.name!r} has no bundle yet; `datamon bundle upload --repo {repo.name} --path DIR --message M` makes one",
        repo=repo.name,
        ref=DEFAULT_BRANCH,
    )


def _named(state: RepoState, repo: Repo, text: str, path: str) -> Resolved:
    if is_ksuid(text):
        return Resolved(repo, live_bundle(state, repo, BundleId(text)), None, "id", path, pinned=True)
    name = check_name("label", text)
    live = [bundle for bundle in state.bundles if bundle not in state.deleted]
    ref = state.refs.get(name)
    if ref is not None:
        shadowed = len(name) >= SHORTEST_PREFIX and bool(_fitting(name, live))
        note = (
            f"{name!r} is a {ref.kind} of {repo.name!r}; bundles whose ids begin or end so were left aside"
            if shadowed
            else None
        )
        return Resolved(repo, live_bundle(state, repo, ref.bundle), ref.name, ref.kind, path, pinned=False, note=note)
    if len(name) < SHORTEST_PREFIX or not _fitting(name, live):
        _refuse_deleted(state, repo, name, live)
        raise no_ref(state, repo, name)
    bundle = state.bundles[BundleId(find_by_part(name, live))]
    return Resolved(repo, bundle, None, "id", path, pinned=True)


def _refuse_deleted(state: RepoState, repo: Repo, part: str, live: list[BundleId]) -> None:
    """Raises NotFound (`bundle-not-found`), with its tombstone, when `part` fits one deleted bundle and no live one."""
    gone = _fitting(part, state.deleted) if len(part) >= SHORTEST_PREFIX and not _fitting(part, live) else []
    if len(gone) == 1:
        live_bundle(state, repo, BundleId(gone[0]))


def _ancestor(state: RepoState, repo: Repo, bundle: Bundle, steps: int, text: str) -> Bundle:
    for step in range(steps):
        if not bundle.parents:
            furthest = f"{text.partition('~')[0]}~{step}"
            raise NotFound(
                "bundle-not-found",
                f"{text!r} goes back further than {repo.name!r} does; the furthest is {furthest!r}",
                repo=repo.name,
                ref=text,
            )
        bundle = state.bundles[standing_in(state, bundle.parents[0])]
    return live_bundle(state, repo, bundle.id)
