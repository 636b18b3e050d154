"""What a reference means, by the graph's file: for plain names, refs and ids. Everything else is left to
`language.references`."""

from __future__ import annotations

from datamon.query.graph import lookups

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3

_ID_LENGTH = 27
_SHORTEST_PART = 4
_LONGEST = 128
_DEFAULT_BRANCH = "main"
_DEFAULT_PIPELINE = "default"
_MARKS = frozenset("._-")


class Meant:
    """A bundle or a run. `note` says it to a person; of a bundle `repo` is the name, `content` its content, and `held_by` the ref
    (`repo@name`) through which it was named, None for an id."""

    __slots__ = ("content", "held_by", "id", "kind", "note", "repo")

    def __init__(self, kind: str, identity: str, note: str, repo: str = "", content: str = "") -> None:
        self.held_by: str | None = None
        self.kind = kind
        self.id = identity
        self.note = note
        self.repo = repo
        self.content = content


def meant(file: sqlite3.Connection, form: str, typed: str) -> Meant | None:
    """What the reference means; None when it means nothing that is surely known here."""
    if form in ("run", "step"):
        run = lookups.run_like(file, typed) if form == "run" else _run_of_step(file, typed)
        return None if run is None else Meant("run", run, f"{form} {typed!r} is run {run}")
    name, at, ref = typed.partition("@")
    if not is_name(name) or (at and not (is_name(ref) or _is_id(ref))):
        return None
    repo = lookups.repo_named(file, name)
    if repo is None:
        return None
    bundle = _bundle(file, repo, ref) if at else lookups.ref_named(file, repo, _DEFAULT_BRANCH)
    if bundle is None:
        return None
    content = lookups.content_of(file, repo, bundle)
    if content is None:
        return None
    found = Meant("bundle", bundle, f"{typed!r} is bundle {bundle}", name, content)
    if lookups.ref_named(file, repo, ref or _DEFAULT_BRANCH) == bundle:
        found.held_by = f"{name}@{ref or _DEFAULT_BRANCH}"
    return found


def _run_of_step(file: sqlite3.Connection, typed: str) -> str | None:
    pipeline, slash, step = typed.rpartition("/")
    return lookups.run_of_step(file, pipeline if slash else _DEFAULT_PIPELINE, step)


def _bundle(file: sqlite3.Connection, repo: str, ref: str) -> str | None:
    if _is_id(ref):
        return ref
    like = lookups.bundles_like(file, repo, ref) if len(ref) >= _SHORTEST_PART and ref.isalnum() else []
    named = lookups.ref_named(file, repo, ref)
    if named is not None:
        return None if like else named  # that ids begin so, too, is to be said
    return like[0] if len(like) == 1 else None


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and text.isascii() and text.isalnum()


def is_name(text: str) -> bool:
    """Whether the text is surely a name as it stands: no letter of it could be written in two ways."""
    return (
        text.isascii()
        and 0 < len(text) <= _LONGEST
        and not _is_id(text)
        and text[0].isalnum()
        and all(c.isalnum() or c in _MARKS for c in text)
    )
