"""Commit of a session: what its completed splits hold becomes one bundle, by one entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datamon.errors import Conflict, Corrupt, Unavailable
from datamon.store.bundle import Bundle, Repo
from datamon.store.columns import TreeColumns
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.entries import TreeEntry, printable
from datamon.store.ids import RunId
from datamon.store.manifest import iter_entries, read_manifest, write_columns
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.repos import check_text, find_repo
from datamon.store.roots import Manifest
from datamon.store.sessions.begun import Begun, list_begun, unmark
from datamon.store.sessions.joint import ConflictMode, JointSession
from datamon.store.sessions.merge import Merged, kept_aside, winners
from datamon.store.sessions.start import check_standing
from datamon.store.sessions.taken import Taken, open_session, with_splits

_ATTEMPTS = 20
"""How often a session is merged when each time a split is completed, or a collector comes, before the entry stands."""
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SessionCommit:
    """Which session is to become a bundle, what is to be done about conflicts, and which refs point at it then. With `wanted`
    the session must have just these splits, by name, with these tags."""

    repo: str
    session: str
    message: str
    mode: ConflictMode = "with-conflicts"
    branch: str = DEFAULT_BRANCH
    label: str | None = None
    run: RunId | None = None
    wanted: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The bundle; the versions that lost, as (split, path); the entries at reserved names that were left out; and the splits that
    were begun and not completed, of which it has nothing (of a completed one: nothing of the later attempt)."""

    bundle: Bundle
    lost: tuple[tuple[str, str], ...]
    left_out: int
    unfinished: tuple[Begun, ...]


def commit_session(store: Store, request: SessionCommit) -> Committed:
    """The session is a bundle, to which branch and label point: it, they and the session's end stand in one entry, or nothing
    does. The bundle's tree depends on what was completed, in which order, and the mode alone.

    Raises NotFound (`repo-not-found`, `session-not-found`), Conflict (`session-ended`, naming the bundle; `split-conflicts`,
    after which the session is still open; `ref-frozen`, `ref-exists`, `session-moved` when splits never stopped coming), Invalid
    (`session-empty`), Unavailable (`splits-missing` when it has not the `wanted` splits, after which it is still open), Corrupt
    where a split cannot be read.
    """
    repo = find_repo(store, request.repo)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    for attempt in range(1, _ATTEMPTS + 1):
        state = store.logs.repo(repo.id)
        session = with_splits(open_session(state, repo, request.session), repo)
        _check_wanted(session, request.wanted)
        begun = list_begun(store, repo.id, session.id)
        try:
            manifest, merged = _merge(store, session, request.mode, store.logs.store().condemned | state.condemned)
            bundle = _commit(store, repo, request, session, manifest)
        except Conflict as error:
            if error.code not in ("condemned", "session-moved") or attempt == _ATTEMPTS:
                raise
            continue
        except Corrupt:
            if attempt == _ATTEMPTS or not _has_moved(store, repo, session):
                raise
            continue
        unmark(store, begun)
        lost = tuple((split, entry.path) for split, entry in merged.lost)
        return Committed(bundle, lost, merged.left_out, tuple(begun))
    raise AssertionError("the last attempt returns or raises")


def _has_moved(store: Store, repo: Repo, session: JointSession) -> bool:
    """Whether a split was completed anew meanwhile: then a collector may have swept what it was before. Raises as `open_session`
    and `check_standing` where the session or its repo has ended."""
    check_standing(store, repo)
    return open_session(store.logs.repo(repo.id), repo, session.id).splits != session.splits


def _check_wanted(session: JointSession, wanted: Mapping[str, str | None] | None) -> None:
    standing = {split.name: split.tag for split in session.splits}
    if wanted is None or standing == wanted:
        return
    other = sorted(name for name in {*standing, *wanted} if name not in standing or standing[name] != wanted.get(name))
    shown = ", ".join(other[:_MOST_SHOWN]) + (
        f" and {len(other) - _MOST_SHOWN:,} more" if len(other) > _MOST_SHOWN else ""
    )
    raise Unavailable(
        "splits-missing",
        f"splits of the session {session.id} are missing or others than they should be ({shown}); it stays open: complete them, "
        "and commit again",
        session=session.id,
        splits=other,
    )


def _merge(
    store: Store, session: JointSession, mode: ConflictMode, condemned: frozenset[str]
) -> tuple[Manifest, Merged]:
    """The merged tree, durable. Splits are read a segment at a time; in memory are the columns of the tree, as in an upload."""
    metadata, merged = store.metadata, Merged()
    trees = [
        (split.name, iter_entries(metadata, read_manifest(metadata, split.tree.manifest))) for split in session.splits
    ]
    columns = TreeColumns.of(winners(trees, merged))
    if merged.lost and mode == "no-conflicts":
        raise _conflicts(session, merged.lost)
    for entry in kept_aside(merged.lost, mode):
        columns.append(entry)
    return write_columns(metadata, columns, condemned=condemned), merged


def _commit(store: Store, repo: Repo, request: SessionCommit, session: JointSession, manifest: Manifest) -> Bundle:
    # Its chunks are in use in this log as long as `Taken.check` passes: no packs of others have to be asked for.
    ask = CommitRequest(
        manifest,
        request.message,
        None,
        branch=request.branch,
        label=request.label,
        run=request.run,
        reused=frozenset(),
        joint=Taken(session.id, session.splits, request.mode),
    )
    return commit_bundle(store, repo, ask)


def _conflicts(session: JointSession, lost: Sequence[tuple[str, TreeEntry]]) -> Conflict:
    shown = ", ".join(f"{printable(entry.path)} of {split}" for split, entry in lost[:_MOST_SHOWN])
    more = f" and {len(lost) - _MOST_SHOWN:,} more" if len(lost) > _MOST_SHOWN else ""
    return Conflict(
        "split-conflicts",
        f"splits of the session {session.id} hold other content than later ones at the same paths ({shown}{more}); "
        "add corrected splits under the same names, or commit with another conflict mode",
        session=session.id,
        conflicts=[(split, printable(entry.path)) for split, entry in lost],
    )
